import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, startPlatform } from '../platform.ts'

const platform = await startPlatform()
const options = { apiKey: platform.key, apiUrl: platform.url, sandboxUrl: platform.url }
const lacks = await lacksOfPrograms()

// Released clients, unmodified: the newer one and the one that goes with the older generation of E2B's own client.
const generations = {
  '@e2b/code-interpreter 2.8': () => import('@e2b/code-interpreter'),
  '@e2b/code-interpreter 2.7': () => import('@e2b/code-interpreter-2-7'),
}
for (const [name, load] of Object.entries(generations)) describe(name, () => prove(load))

function prove(load: () => Promise<object>): void {
  // biome-ignore lint/suspicious/noExplicitAny: two releases of one client, driven as plain programs drive them
  let client: any
  // biome-ignore lint/suspicious/noExplicitAny: as above
  let sandbox: any
  before(async () => {
    client = await load()
    sandbox = await client.Sandbox.create('code-interpreter-v1', { ...options, envs: { FROM: 'sandbox' } })
  })
  after(() => sandbox?.kill())
  const run = (code: string, more: object = {}): Promise<Answer> => sandbox.runCode(code, more)
  const python = { skip: lacks.python3 }
  const notebooks = { skip: lacks.python3 || lacks.IPython }
  const plots = { skip: lacks.python3 || lacks.matplotlib }
  const node = { skip: lacks.node }

  test(
    'Python keeps what it has been told, counts, streams, and answers with the last expression',
    python,
    async () => {
      const first = await run('x = 41\nprint("out")\nimport sys; print("err ü🚀", file=sys.stderr)')
      assert.deepEqual([first.logs.stdout.join(''), first.logs.stderr.join('')], ['out\n', 'err ü🚀\n'])
      assert.deepEqual(first.results, [])
      const heard: string[] = []
      const second = await run('print(1)\nx + 1', { onStdout: ({ line }: Answer) => heard.push(line) })
      assert.deepEqual([second.text, second.executionCount, heard.join('')], ['42', first.executionCount + 1, '1\n'])
      assert.equal((await run('"text"')).text, 'text')
      assert.equal((await run('    y = 2\n    y')).text, '2')
      assert.equal((await run('import asyncio\nawait asyncio.sleep(0.01, "waited")')).text, 'waited')
    },
  )

  test('an exception has a name, a value and a traceback, and the context goes on', python, async () => {
    const { error } = await run('def f():\n  raise ValueError("no")\nf()')
    assert.deepEqual([error.name, error.value], ['ValueError', 'no'])
    assert.match(error.traceback, /line 3, in <module>[\s\S]*raise ValueError\("no"\)/)
    assert.equal((await run('1 +')).error.name, 'SyntaxError')
    assert.equal((await run('import os; os._exit(3)')).error.name, 'InterpreterDied')
    assert.match((await run('x')).error.value, /name 'x' is not defined/)
  })

  test('environment: that of the sandbox, and that of one call', python, async () => {
    const ask = 'import os\n[os.environ.get("FROM"), os.environ.get("ONE")]'
    const count = (await run('1')).executionCount
    assert.equal((await run(ask, { envs: { ONE: '1', FROM: 'call' } })).text, "['call', '1']")
    const after = await run(ask)
    assert.deepEqual([after.text, after.executionCount], ["['sandbox', None]", count + 2])
  })

  test('magics, commands and display of notebooks', notebooks, async () => {
    assert.equal((await run('!pwd')).logs.stdout.join('').trim(), '/home/user')
    assert.match((await run('%timeit -n 1 -r 1 pass')).logs.stdout.join(''), /per loop/)
    const shown = await run(
      'from IPython.display import display, HTML\ndisplay(HTML("<b>ü</b>"))\n{"a": [1, float("nan")]}',
    )
    const [html, main] = shown.results
    assert.deepEqual(
      [html.html, html.isMainResult, main.json, main.isMainResult],
      ['<b>ü</b>', false, { a: [1, null] }, true],
    )
    const [latex] = (await run(`display({'text/latex': r'\\text{x}', 'application/x-own': {'own': 1}}, raw=True)`))
      .results
    assert.deepEqual([latex.latex, latex.text], ['\\text{x}', undefined])
    assert.deepEqual(latex.raw.extra, { 'application/x-own': { own: 1 } })
  })

  test('a figure is a picture and a chart', plots, async () => {
    const [line] = (
      await run(
        'import matplotlib.pyplot as plt, datetime\ndays = [datetime.date(2023, 9, 1 + i) for i in range(3)]\n' +
          'plt.plot(days, [1, 2, 3], label="one")\nplt.plot(days, [3, 2, 1])\nplt.xlabel("Time (s)")\nplt.title("T")\nplt.grid(True)\nplt.show()',
      )
    ).results
    assert.ok(Buffer.from(line.png, 'base64').subarray(1, 4).equals(Buffer.from('PNG')))
    assert.match(line.text, /^<Figure size/)
    assert.deepEqual([line.extra.extra ?? line.raw.extra, line.isMainResult], [{}, false])
    const { type, title, x_label, x_unit, y_label, x_scale, y_scale, elements } = line.chart
    assert.deepEqual([type, title, x_label, x_unit, y_label], ['line', 'T', 'Time (s)', 's', null])
    assert.deepEqual([x_scale, y_scale], ['datetime', 'linear'])
    assert.deepEqual([elements[0].label, elements[0].points[0]], ['one', ['2023-09-01T00:00:00+00:00', 1]])
    assert.match(elements[1].label, /^Line \d$/)

    const chartOf = async (code: string) => (await run(`fig, ax = plt.subplots()\n${code};`)).results.at(-1).chart
    const bar = await chartOf('ax.bar(["A", "B"], [1, 2], label="sold")')
    assert.deepEqual(bar.elements[1], { label: 'B', group: 'sold', value: 2 })
    const pie = await chartOf('ax.pie([90, 10], labels=["No", "Yes"])')
    assert.deepEqual(pie.elements[0], { label: 'No', angle: 324, radius: 1 })
    const box = await chartOf('ax.boxplot([[1, 2, 3, 4, 99]], labels=["a"])')
    const a = { label: 'a', min: 1, first_quartile: 2, median: 3, third_quartile: 4, max: 4, outliers: [99] }
    assert.deepEqual([box.type, box.elements], ['box_and_whisker', [a]])
    const cloud = await chartOf('ax.scatter([1, 10], [3, 4], label="d"); ax.set_xscale("log")')
    assert.deepEqual(
      [cloud.type, cloud.x_scale, cloud.elements[0].points],
      [
        'scatter',
        'log',
        [
          [1, 3],
          [10, 4],
        ],
      ],
    )
    const unknown = await chartOf('ax.add_artist(plt.Circle((0, 0), 1)); ax.set_title("C")')
    assert.deepEqual(unknown, { type: 'unknown', title: 'C', elements: [] })
    const both = await run('fig, ax = plt.subplots(1, 2); ax[0].plot([1]); ax[1].plot([2]); fig.suptitle("S");')
    assert.deepEqual([both.results.at(-1).chart.type, both.results.at(-1).chart.title], ['superchart', 'S'])
    assert.equal((await run('1')).results.length, 1, 'figures are shown once')
  })

  test('a table has its columns, an image of PIL its picture', {
    skip: lacks.python3 || lacks.pandas || lacks.PIL,
  }, async () => {
    const [table] = (
      await run('import pandas as pd\npd.DataFrame({"a": [1, 2], "t": pd.to_datetime(["2024-01-01", None])})')
    ).results
    assert.deepEqual(table.data, { a: [1, 2], t: ['2024-01-01T00:00:00', null] })
    assert.match(table.html, /<table/)
    const { results } = await run('from PIL import Image\nim = Image.new("RGB", (4, 4)); im.show(); im')
    const pictures = (from: Answer[]) => from.map(({ png }) => typeof png)
    assert.deepEqual(pictures(results), ['string', 'string'])
    const saved = await run('import io\nim.save(io.BytesIO(), "PNG"); im.save("saved.png")')
    assert.deepEqual(pictures(saved.results), ['string'], 'one that is saved as a file is shown')
    assert.equal(await sandbox.files.exists('saved.png'), true)
  })

  test('contexts: listed, of their own, restarted, removed', python, async () => {
    const made = await sandbox.createCodeContext({ cwd: '/tmp' })
    const other = await sandbox.createCodeContext()
    assert.deepEqual([made.language, made.cwd], ['python', '/tmp'])
    const contexts = await sandbox.listCodeContexts()
    assert.deepEqual(
      contexts.slice(-2).map(({ id }: Answer) => id),
      [made.id, other.id],
    )
    for (const language of ['python', 'javascript'])
      assert.ok(contexts.some((one: Answer) => one.language === language))
    assert.equal((await run('import os\nv = 1\nos.getcwd()', { context: made })).text, '/tmp')
    assert.equal((await run('v', { context: other })).error.name, 'NameError')
    await sandbox.restartCodeContext(made.id)
    assert.equal((await run('v', { context: made })).error.value, "name 'v' is not defined")
    await sandbox.removeCodeContext(made.id)
    await sandbox.removeCodeContext(other)
    assert.ok(!(await sandbox.listCodeContexts()).some(({ id }: Answer) => id === made.id))
    await assert.rejects(run('1', { context: made }), {
      name: 'NotFoundError',
      message: `Context ${made.id} not found`,
    })
    await assert.rejects(sandbox.createCodeContext({ language: 'cobol' }), /500/)
  })

  test('a context begins in a folder that is made for it, else at home, and says so', python, async () => {
    for (const [cwd, where] of [
      ['/home/user/made/for it', '/home/user/made/for it'],
      ['/root', '/home/user'],
    ]) {
      const context = await sandbox.createCodeContext({ language: 'python', cwd })
      assert.equal(context.cwd, where)
      assert.equal((await sandbox.listCodeContexts()).at(-1).cwd, where)
      assert.equal((await run('import os; os.getcwd()', { context })).text, where)
    }
  })

  test('one thing at a time in a context; who goes away interrupts, and the next has its turn', python, async () => {
    const slow = run('import time; time.sleep(1); order = ["first"]')
    await sleep(200)
    const queued = run('order + ["second"]')
    await slow
    assert.equal((await queued).text, "['first', 'second']")
    await assert.rejects(run('kept = 5\nwhile True: pass', { timeoutMs: 500 }), { name: 'TimeoutError' })
    assert.equal((await run('kept')).text, '5')
  })

  test('JavaScript: values, await, import, definitions that stay', node, async () => {
    const js = { language: 'js' }
    assert.equal((await run('console.log("Hello")', js)).logs.stdout.join(''), 'Hello\n')
    await run('const z = 1; const { q } = { q: 2 }', js)
    assert.equal((await run('z + q', js)).text, '3')
    assert.equal((await run('async function main() { return "Hello" }\n\n  await main()', js)).text, 'Hello')
    assert.equal((await run('import { sep } from "node:path"\nsep', js)).text, '/')
    assert.equal((await run('process.cwd()', { language: 'javascript' })).text, '/home/user')
    assert.equal((await run('process.env.ONE', { ...js, envs: { ONE: '1' } })).text, '1')
    assert.equal((await run('process.env.ONE ?? process.env.FROM', js)).text, 'sandbox')
    assert.deepEqual((await run('({ a: [1] })', js)).results[0].json, { a: [1] })
    const { error } = await run('null.x', js)
    assert.equal(error.name, 'TypeError')
    assert.doesNotMatch(error.traceback, /main\.mjs/)
    await assert.rejects(run('while (true) {}', { ...js, timeoutMs: 500 }), { name: 'TimeoutError' })
    assert.equal((await run('z', js)).text, '1')
  })

  test('TypeScript: types and enums', node, async () => {
    const code = 'enum E { A = 4 }\nfunction less(x: number, y: number): number {\n  return x - y\n}\nless(1, 2) + E.A'
    assert.equal((await run(code, { language: 'ts' })).text, '3')
  })

  test('Bash: variables and the folder stay', python, async () => {
    const bash = { language: 'bash' }
    await run('x=5; cd /tmp', bash)
    assert.equal(
      (await run('echo $x $PWD $FROM $ONE', { ...bash, envs: { ONE: '1' } })).logs.stdout.join(''),
      '5 /tmp sandbox 1\n',
    )
    const failed = await run('echo no >&2; (exit 3)', bash)
    assert.deepEqual([failed.error.name, failed.error.value, failed.logs.stderr.join('')], ['ExitStatus', '3', 'no\n'])
    await assert.rejects(run('while :; do sleep 1; done', { ...bash, timeoutMs: 500 }), { name: 'TimeoutError' })
    assert.equal((await run('echo $x', bash)).logs.stdout.join(''), '5\n')
  })

  test('a sandbox that is killed breaks the execution off', python, async () => {
    const doomed = await client.Sandbox.create('code-interpreter-v1', options)
    const broken = assert.rejects(doomed.runCode('import time; time.sleep(60)'), { name: /Error/ })
    await sleep(500)
    await doomed.kill()
    await broken
  })
}

async function lacksOfPrograms(): Promise<Record<string, string | false>> {
  const path = await platform.sandbox()
  const check = async (command: string) => (await platform.json('POST', `${path}/execute`, { command })).exitCode === 0
  const found: Record<string, string | false> = {}
  for (const name of ['python3', 'node'])
    found[name] = !(await check(`command -v ${name}`)) && `there is no ${name} below /usr on this host`
  for (const name of ['IPython', 'matplotlib', 'pandas', 'PIL'])
    found[name] = !(await check(`python3 -c "import ${name}"`)) && `the host's python3 has no ${name}`
  await platform.call('DELETE', path)
  return found
}
