import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const small = await platform.sandbox({ timeout: 3600, limits: { memoryMb: 1024, maxProcesses: 512 } })
const hasNode = (await platform.json('POST', `${small}/execute`, { command: 'node --version' })).exitCode === 0
const chromium = 'command -v chromium || command -v chromium-browser || command -v google-chrome'
const hasChromium = (await platform.json('POST', `${small}/execute`, { command: chromium })).exitCode === 0
const withBrowser = process.env.WARREN_TEST_FULL === 'yes' ? await full() : undefined
const skip = !withBrowser && 'fetching Chromium takes minutes: npm run test:full does'
const site = 'http://127.0.0.1:8000'

/** A sandbox of the template that has Chromium, with the site in it; whoever asks first has it built. */
async function full(): Promise<string> {
  const template = 'browser'
  await platform.call('POST', '/v1/sandboxes', { template }, { signal: AbortSignal.timeout(2000) }).catch(() => {})
  const isReady = async () => (await platform.json('GET', `/v1/templates/${template}`)).state === 'ready'
  await until('the template is built', isReady, 900_000)
  const sandbox = await platform.sandbox({ template, timeout: 3600, limits: { memoryMb: 1536, maxProcesses: 512 } })
  await runFile(sandbox, 'browser-site.mjs', { args: ['8000'] })
  await until('the site is there', async () =>
    (await platform.json('GET', `${sandbox}/ports`)).ports.some(({ port }: Answer) => port === 8000),
  )
  return sandbox
}

async function runFile(sandbox: string, name: string, { args, tag }: { args: string[]; tag?: string }): Promise<void> {
  const source = readFileSync(new URL(name, import.meta.url))
  const headers = { 'content-type': 'application/octet-stream' }
  assert.ok((await platform.call('PUT', `${sandbox}/files?path=${name}`, source, { headers })).ok)
  await platform.json('POST', `${sandbox}/processes`, { command: ['node', name, ...args], ...(tag ? { tag } : {}) })
}

const browse = (verb: string, input: object = {}, sandbox = withBrowser) =>
  platform.json('POST', `${sandbox}/browser/${verb}`, input)

/** The code of what is refused, with its words. */
async function refusal(verb: string, input: object = {}, sandbox = withBrowser): Promise<Answer> {
  const answer = await platform.call('POST', `${sandbox}/browser/${verb}`, input)
  assert.equal(answer.ok, false, `${verb} was not refused`)
  return answer.json()
}

/** The ref of the first element of that name. */
async function refOf(name: string): Promise<string> {
  const { elements, text } = await browse('snapshot')
  const found = elements.find((one: Answer) => one.name === name)
  assert.ok(found, `no element "${name}" in ${text}`)
  return found.ref
}

const click = async (name: string) => browse('click', { ref: await refOf(name) })

test('a sandbox without a browser, and one that is too small for it, say what to do', async () => {
  if (!hasChromium) {
    const { code, hint, details } = await refusal('open', { url: 'about:blank' }, small)
    assert.deepEqual([code, details.reason], ['unavailable', 'no_browser'])
    assert.match(hint, /template "browser"/)
  }
  const tiny = await platform.sandbox({ limits: { memoryMb: 256 } })
  const { code, message, hint } = await refusal('open', { url: 'about:blank' }, tiny)
  assert.equal(code, 'conflict')
  assert.match(message, /memoryMb of at least \d+; this one has 256/)
  assert.match(hint, /"memoryMb": 1024/)
  assert.equal((await platform.call('DELETE', `${tiny}/browser`)).status, 204)
  for (const url of ['chrome://settings', 'javascript:1', 'example.com'])
    assert.equal((await refusal('open', { url }, small)).code, 'invalid_request', url)
  assert.equal((await refusal('click', { ref: "'; 1" }, small)).code, 'invalid_request')
  assert.equal((await refusal('open', { url: 'about:blank' }, '/v1/sandboxes/snone')).code, 'not_found')
})

for (const kind of ['file', 'http', 'words', 'types', 'bytes', 'large'])
  test(`what says it is a browser and speaks nonsense (${kind}) gets a typed answer, and the platform goes on`, {
    skip: !hasNode && 'there is no node below /usr on this host',
  }, async () => {
    await runFile(small, 'browser-impostor.mjs', { args: [kind], tag: 'warren.browser' })
    await until('it says where it is', async () => {
      const path = '.warren-browser/DevToolsActivePort'
      return (await platform.call('GET', `${small}/files?path=${path}`)).ok
    })
    const { code } = await refusal('snapshot', { timeout: 1 }, small)
    assert.ok(['unavailable', 'timeout', 'conflict', 'too_large'].includes(code), code)
    assert.equal((await platform.call('DELETE', `${small}/browser`)).status, 204)
    const left = (await platform.json('GET', `${small}/processes`)).processes
    assert.equal(left.filter(({ tag, state }: Answer) => tag === 'warren.browser' && state === 'running').length, 0)
    await platform.json('POST', `${small}/execute`, { command: 'rm -rf .warren-browser' })
    assert.doesNotMatch(platform.log(), /"level":"(error|fatal)"/)
  })

test('a page is opened, read, filled in and sent', { skip }, async () => {
  const opened = await browse('open', { url: `${site}/` })
  assert.deepEqual(opened, { url: `${site}/`, title: 'Start', status: 200, loaded: true, dialogs: [] })
  const { text, elements, truncated } = await browse('snapshot')
  assert.match(text, /^# Welcome\n+Some text\./)
  assert.match(text, /\[[0-9a-z]+-\d+ link\] To the form \(picture: a dot\)/)
  assert.match(text, /written by a script, a dot$/)
  assert.doesNotMatch(text, /Hidden/)
  assert.equal(truncated, false)
  const { role, url } = elements.find(({ name }: Answer) => name === 'To the form')
  assert.deepEqual([role, url], ['link', `${site}/form`])
  assert.equal(elements.find(({ name }: Answer) => name === 'Off').disabled, true)

  assert.equal((await click('To the form')).url, `${site}/form`)
  const shown = await browse('snapshot')
  assert.doesNotMatch(JSON.stringify(shown), /hidden words/)
  assert.match(shown.text, /\[\S+ combobox\] Colour = "red" of red \| green/)
  const old = await refOf('Name')
  await browse('type', { ref: old, text: 'not this' })
  await browse('type', { ref: old, text: 'Ada é 你好' })
  await browse('type', { ref: await refOf('Secret'), text: 'swordfish' })
  await browse('type', { ref: await refOf('Colour'), text: 'green' })
  await browse('type', { ref: await refOf('Day'), text: '2026-01-31' })
  await click('Agree')
  for (const [name, text, why] of [
    ['Colour', 'blue', /no such option/],
    ['Day', 'tomorrow', /no such value/],
    ['Agree', 'yes', /no field for text/],
  ] as const)
    assert.match((await refusal('type', { ref: await refOf(name), text })).message, why)
  const sent = await browse('type', { ref: old, text: 'Ada é 你好', submit: true })
  assert.deepEqual([sent.title, sent.status], ['Sent', 200])
  const asked = new URL(sent.url).searchParams
  assert.deepEqual(
    ['name', 'secret', 'colour', 'agreed', 'day'].map((name) => asked.get(name)),
    ['Ada é 你好', 'swordfish', 'green', 'on', '2026-01-31'],
  )
  assert.match((await refusal('click', { ref: old })).hint, /new snapshot/)
  assert.equal((await browse('back')).url, `${site}/form`)
})

test('keys are pressed where the focus is', { skip }, async () => {
  await browse('open', { url: `${site}/form` })
  await browse('type', { ref: await refOf('Name'), text: 'abc' })
  for (const key of ['Backspace', 'X', 'Control+a', '+']) await browse('press', { key })
  assert.equal((await browse('evaluate', { expression: 'document.forms[0].elements.name.value' })).value, '+')
  await browse('type', { ref: await refOf('Name'), text: '' })
  assert.equal((await browse('evaluate', { expression: 'document.forms[0].elements.name.value' })).value, '')
  assert.equal((await refusal('press', { key: 'Hyper+q' })).code, 'invalid_request')
})

test('windows that a page opens are followed and answered', { skip }, async () => {
  await browse('open', { url: `${site}/` })
  const asked = await click('Ask')
  assert.deepEqual(asked.dialogs, [
    { type: 'alert', message: 'hello' },
    { type: 'confirm', message: 'sure?' },
  ])
  assert.match((await refusal('click', { ref: await refOf('Off') })).message, /disabled/)
  assert.equal((await click('Open')).title, 'Opened')
  await click('Close')
  const back = await until('the page before is in front again', async () => {
    const { title } = await browse('snapshot')
    return title === 'Start'
  })
  assert.ok(back)
  assert.equal((await click('New window')).title, 'Opened')
  await browse('open', { url: `${site}/covered` })
  assert.match((await refusal('click', { ref: await refOf('Below') })).message, /covered by <div> "The cover"/)
})

test('pictures show the page', { skip }, async () => {
  await browse('open', { url: `${site}/huge` })
  const shot = async (query: string) => {
    const answer = await platform.call('GET', `${withBrowser}/browser/screenshot${query}`)
    assert.equal(answer.status, 200)
    return { type: answer.headers.get('content-type'), bytes: Buffer.from(await answer.arrayBuffer()) }
  }
  const view = await shot('')
  assert.deepEqual([view.type, view.bytes.subarray(1, 4).toString()], ['image/png', 'PNG'])
  const whole = await shot('?fullPage=true')
  assert.equal(whole.bytes.readUInt32BE(20), 10_000)
  assert.ok(view.bytes.readUInt32BE(20) < 1000)
  assert.equal((await shot('?format=jpeg')).bytes.readUInt16BE(0), 0xffd8)
})

test('JavaScript runs in the page; what it throws is an answer, and what has no end is ended', { skip }, async () => {
  await browse('open', { url: `${site}/` })
  const evaluate = (expression: string, timeout = 20) => browse('evaluate', { expression, timeout })
  assert.deepEqual(await evaluate('const x = await Promise.resolve({ a: [1, null] }); x'), {
    type: 'object',
    value: { a: [1, null] },
  })
  assert.deepEqual(await evaluate('Promise.resolve(document.title)'), { type: 'string', value: 'Start' })
  assert.deepEqual(await evaluate('undefined'), { type: 'undefined' })
  assert.match((await evaluate('throw new TypeError("no")')).error, /^TypeError: no/)
  assert.match((await evaluate('Promise.reject("never")')).error, /never/)
  assert.match((await evaluate('}')).error, /SyntaxError/)
  const refused = async (expression: string, timeout = 20) => (await refusal('evaluate', { expression, timeout })).code
  assert.equal(await refused('for (;;);', 1), 'timeout')
  assert.equal(await refused('new Promise(() => {})', 1), 'timeout')
  assert.equal(await refused('"x".repeat(2_000_000)'), 'too_large')
  assert.equal(await refused('"x".repeat(40_000_000)'), 'too_large')
  assert.equal(await refused('let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; deep'), 'conflict')
  assert.equal((await evaluate('1 + 1')).value, 2)
})

test('a page that never comes, half comes, is missing, is nowhere, is huge, or hangs', { skip }, async () => {
  assert.equal((await refusal('open', { url: `${site}/never`, timeout: 1 })).code, 'timeout')
  const half = await browse('open', { url: `${site}/half`, timeout: 1 })
  assert.deepEqual([half.title, half.loaded], ['Half', false])
  assert.match((await browse('snapshot')).text, /the text is there/)
  assert.equal((await browse('open', { url: `${site}/missing` })).status, 404)
  const nowhere = await refusal('open', { url: 'http://127.0.0.1:9/' })
  assert.deepEqual([nowhere.code, nowhere.details.reason], ['unavailable', 'not_reached'])

  await browse('open', { url: `${site}/huge`, timeout: 60 })
  const huge = await browse('snapshot', { maxCharacters: 5000 })
  assert.equal(huge.truncated, true)
  assert.ok(huge.text.length < 10_000 && huge.elements.length > 5, String(huge.text.length))
  const most = await browse('snapshot', { maxCharacters: 200_000 })
  assert.deepEqual([most.truncated, most.elements.length], [true, 400])

  await browse('open', { url: `${site}/hangs` })
  const isHung = async () => !(await platform.call('POST', `${withBrowser}/browser/evaluate`, hung)).ok
  const hung = { expression: '1', timeout: 0.5 }
  await until('its script has begun', isHung)
  assert.equal((await browse('open', { url: `${site}/` })).title, 'Start')
})

test('the browser is found again after the platform died, and in a copy where there can be one, and comes back when it was killed', {
  skip,
}, async () => {
  await browse('open', { url: `${site}/form` })
  await browse('type', { ref: await refOf('Name'), text: 'still here' })
  await browse('evaluate', { expression: 'document.cookie = "kept=yes; max-age=3600"' })
  await platform.kill('SIGKILL')
  await platform.start()
  const name = await refOf('Name')
  const valueIn = async (sandbox: string | undefined) =>
    (await browse('snapshot', {}, sandbox)).elements.find(({ ref }: Answer) => ref === name)?.value
  assert.equal(await valueIn(withBrowser), 'still here')

  const forked = await platform.call('POST', `${withBrowser}/fork`, {})
  // Not every runtime can copy what runs; then it says so, and nothing has happened to the browser.
  if (forked.status !== 201) {
    assert.ok(['invalid_request', 'unavailable'].includes((await forked.json()).code))
    assert.equal(await valueIn(withBrowser), 'still here')
  } else {
    const [copy] = (await forked.json()).sandboxes
    const path = `/v1/sandboxes/${copy.id}`
    assert.equal(await valueIn(path), 'still here')
    await browse('open', { url: `${site}/` }, path)
    assert.equal(await valueIn(withBrowser), 'still here')
    await platform.call('DELETE', path)
  }

  const { processes } = await platform.json('GET', `${withBrowser}/processes`)
  const browser = processes.find(({ tag, state }: Answer) => tag === 'warren.browser' && state === 'running')
  await platform.json('POST', `${withBrowser}/processes/${browser.id}/signal`, { signal: 'SIGKILL' })
  await until('it is gone', async () => {
    const all: Answer[] = (await platform.json('GET', `${withBrowser}/processes`)).processes
    return all.every(({ id, state }) => id !== browser.id || state === 'exited')
  })
  assert.equal((await browse('snapshot')).url, 'about:blank')
  const [first, second] = await Promise.all([browse('open', { url: `${site}/form` }), browse('snapshot')])
  assert.deepEqual([first.title, typeof second.text], ['Form', 'string'])
  await platform.call('DELETE', `${withBrowser}/browser`)
  await Promise.all(['Form', 'Form'].map(async () => browse('snapshot')))
  const all: Answer[] = (await platform.json('GET', `${withBrowser}/processes`)).processes
  assert.equal(all.filter(({ tag, state }) => tag === 'warren.browser' && state === 'running').length, 1)
})

test('a model drives it by the tools of MCP', { skip }, async () => {
  const client = new Client({ name: 'test', version: '1' })
  const headers = { authorization: `Bearer ${platform.key}` }
  await client.connect(new StreamableHTTPClientTransport(new URL('/mcp', platform.url), { requestInit: { headers } }))
  after(() => client.close())
  const call = async (name: string, input: object = {}): Promise<Answer> => {
    const sandbox = withBrowser!.split('/').at(-1)
    const { content, isError } = (await client.callTool({ name, arguments: { sandbox, ...input } })) as Answer
    assert.ok(!isError, content[0].text)
    return { ...JSON.parse(content[0].text), images: content.slice(1) }
  }
  assert.equal((await call('browser_open', { url: `${site}/form` })).title, 'Form')
  const { text } = await call('browser_snapshot')
  const ref = (name: string) => new RegExp(`\\[(\\S+) [^\\]]+\\] ${name}`).exec(text)?.[1]
  await call('browser_type', { ref: ref('Name'), text: 'by a model' })
  assert.equal((await call('browser_click', { ref: ref('Send') })).title, 'Sent')
  assert.match((await call('browser_evaluate', { expression: 'location.search' })).value, /by\+a\+model/)
  const { mimeType, images } = await call('browser_screenshot')
  assert.deepEqual([mimeType, images[0].type], ['image/png', 'image'])
  assert.equal((await call('browser_close')).closed, true)
})
