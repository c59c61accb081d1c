import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const base = await platform.sandbox({ limits: { memoryMb: 1024 } })
const has = async (program: string, sandbox = base) =>
  (await platform.json('POST', `${sandbox}/execute`, { command: `command -v python3 && command -v ${program}` }))
    .exitCode === 0
const java = (await has('jshell')) ? base : undefined
const r = (await has('Rscript')) ? base : process.env.WARREN_TEST_FULL === 'yes' ? await full() : undefined
const withoutJava = !java && 'there is no python3 or no jshell below /usr on this host'
const withoutR =
  !r && 'this host has no Rscript, and building code-interpreter-full takes minutes: npm run test:full does'

/** A sandbox of the template that brings both; whoever asks first has it built. */
async function full(): Promise<string> {
  const template = 'code-interpreter-full'
  await platform.call('POST', '/v1/sandboxes', { template }, { signal: AbortSignal.timeout(2000) }).catch(() => {})
  const isReady = async () => (await platform.json('GET', `/v1/templates/${template}`)).state === 'ready'
  await until('the template is built', isReady, 900_000)
  return platform.sandbox({ template, limits: { memoryMb: 1024 } })
}

async function contextOf(language: string, sandbox = base): Promise<string> {
  return `${sandbox}/contexts/${(await platform.json('POST', `${sandbox}/contexts`, { language })).id}`
}

function run(context: string, code: string, more: object = {}): Promise<Answer> {
  return platform.json('POST', `${context}/execute`, { code, ...more })
}

test('Java: state, values, what is printed, properties for one call', { skip: withoutJava }, async () => {
  const context = await contextOf('java', java)
  const first = await run(context, 'int x = 41;\nSystem.out.println("out é");\nSystem.err.println("err");\nx + 1')
  assert.deepEqual([first.stdout, first.stderr, first.result, first.reason], ['out é\n', 'err\n', '42', 'completed'])
  await run(context, 'int twice(int y) {\n  return 2 * y;\n}\nrecord Point(int x, int y) {}')
  assert.equal((await run(context, 'twice(x)')).result, '82')
  assert.equal((await run(context, 'new Point(1, 2)')).result, 'Point[x=1, y=2]')
  assert.equal(
    (await run(context, 'List.of(1, 2).stream().map(i -> i * 2).collect(Collectors.toList())')).result,
    '[2, 4]',
  )
  assert.equal((await run(context, 'x = 7;')).reason, 'completed')
  assert.equal((await run(context, '"a\\u00fc\\"b"')).result, '"aü\\"b"')
  assert.equal((await run(context, 'System.getProperty("ONE")', { env: { ONE: 'a=b' } })).result, '"a=b"')
  assert.equal((await run(context, 'System.getProperty("ONE") == null')).result, 'true')
  assert.equal((await run(context, 'new Scanner(System.in).hasNext()')).result, 'false')
})

test('Java: what is thrown, what does not compile, what never ends; the context goes on', {
  skip: withoutJava,
}, async () => {
  const context = await contextOf('java', java)
  const thrown = await run(context, 'int f() {\n  throw new IllegalStateException("no");\n}\nf()')
  assert.deepEqual([thrown.reason, thrown.error.name, thrown.error.message], ['raised', 'IllegalStateException', 'no'])
  assert.match(thrown.error.traceback, /^java\.lang\.IllegalStateException: no\n\tat f \(#\d+:2\)/)
  const wrong = await run(context, 'int kept = 1;\nint z = "a";\nint never = 2;')
  assert.equal(wrong.error.name, 'CompilationError')
  assert.match(wrong.error.traceback, /String cannot be converted to int\nint z = "a";\n {8}\^\n$/)
  assert.equal((await run(context, 'kept')).result, '1')
  assert.equal((await run(context, 'never')).error.name, 'CompilationError')
  assert.equal((await run(context, 'for (;;) {')).error.name, 'CompilationError')
  for (const code of ['while (true) {}', 'Thread.sleep(100_000)', 'void g() { while (true) {} }\ng()']) {
    const late = await run(context, code, { timeout: 0.5 })
    assert.deepEqual([late.reason, late.error?.name], ['timeout', 'KeyboardInterrupt'], code)
  }
  assert.equal((await run(context, 'kept')).result, '1')
  const ended = await run(context, 'System.exit(3)')
  assert.deepEqual([ended.reason, ended.exitCode], ['died', 3])
})

test('R: state, values as R prints them, what is printed, variables for one call', { skip: withoutR }, async () => {
  const context = await contextOf('r', r)
  const first = await run(context, 'x <- 41\ncat("out é\\n")\nmessage("err")\nx + 1')
  assert.deepEqual(
    [first.stdout, first.stderr, first.result, first.reason],
    ['out é\n', 'err\n', '[1] 42', 'completed'],
  )
  assert.equal((await run(context, 'f <- function(y) x + y\nf(1)')).result, '[1] 42')
  assert.equal((await run(context, 'getwd()')).result, '[1] "/home/user"')
  assert.equal((await run(context, 'y <- 1')).result, undefined)
  const both = await run(context, '1:3\n"ü🚀\\"\\\\"')
  assert.deepEqual(
    both.results.map(({ main, text }: Answer) => [main, text]),
    [
      [false, '[1] 1 2 3'],
      [true, '[1] "ü🚀\\"\\\\"'],
    ],
  )
  assert.equal((await run(context, 'Sys.getenv("ONE", NA)', { env: { ONE: 'a=b' } })).result, '[1] "a=b"')
  assert.equal((await run(context, 'Sys.getenv("ONE", NA)')).result, '[1] NA')
  const other = await contextOf('r', r)
  assert.match((await run(other, 'x')).error.message, /object 'x' not found/)
})

test('R: tables have their columns and HTML, what is drawn is pictures', { skip: withoutR }, async () => {
  const context = await contextOf('r', r)
  const code =
    'data.frame(n = c(1, 2.5, NA), s = c("a<b", NA, "ü"), l = c(TRUE, FALSE, NA), f = factor(c("p", "q", "p")), i = 1:3)'
  const [table] = (await run(context, code)).results
  assert.deepEqual(table.data, {
    n: [1, 2.5, null],
    s: ['a<b', null, 'ü'],
    l: [true, false, null],
    f: ['p', 'q', 'p'],
    i: [1, 2, 3],
  })
  assert.match(table.html, /<th>s<\/th>[\s\S]*<td>a&lt;b<\/td>/)
  assert.match(table.text, /^ +n +s +l +f +i\n1 1\.0 +a<b/)
  const drawn = await run(context, 'plot(1:3)\ntitle("one")\nhist(c(1, 2, 2))\n"end"')
  const pictures = drawn.results.filter(({ png }: Answer) => png)
  assert.equal(pictures.length, 2)
  for (const { png, main } of pictures) {
    assert.equal(main, false)
    assert.equal(Buffer.from(png, 'base64').subarray(1, 4).toString(), 'PNG')
  }
  assert.ok(drawn.results.some(({ main, text }: Answer) => main && text === '[1] "end"'))
  assert.equal((await run(context, 'lines(1:3)')).error.name, 'simpleError')
})

test('R: errors with the calls that led to them, warnings, and what never ends', { skip: withoutR }, async () => {
  const context = await contextOf('r', r)
  const thrown = await run(context, 'kept <- 1\ng <- function() stop("no")\nf <- function() g()\nf()')
  assert.deepEqual([thrown.reason, thrown.error.name, thrown.error.message], ['raised', 'simpleError', 'no'])
  assert.match(thrown.error.traceback, /^Error in g\(\) : no\nTraceback:\n1: f\(\)\n2: g\(\)\n/)
  assert.match((await run(context, 'a b')).error.message, /unexpected symbol/)
  const warned = await run(context, 'as.integer("a")')
  assert.deepEqual([warned.reason, warned.result], ['completed', '[1] NA'])
  assert.match(warned.stderr, /NAs introduced by coercion/)
  for (const code of ['while (TRUE) {}', 'Sys.sleep(100)', 'h <- function() repeat NULL\nh()']) {
    const late = await run(context, code, { timeout: 0.5 })
    assert.deepEqual([late.reason, late.error?.name], ['timeout', 'KeyboardInterrupt'], code)
  }
  assert.equal((await run(context, 'kept')).result, '[1] 1')
  const ended = await run(context, 'quit(status = 3)')
  assert.deepEqual([ended.reason, ended.exitCode], ['died', 3])
})

test('what the sandbox lacks is said', { skip: java && r === base ? 'this host has both' : false }, async () => {
  const lacking = [...(java ? [] : [['java', 'jshell']]), ...(r === base ? [] : [['r', 'Rscript']])]
  for (const [language, program] of lacking) {
    const reply = await platform.call('POST', `${base}/contexts`, { language })
    assert.equal(reply.status, 503)
    assert.match((await reply.json()).message, new RegExp(`there is no ${program} in this sandbox, so nothing runs`))
  }
})
