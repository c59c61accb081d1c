import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { mintAuthority, mintCertificate } from '../src/lib/certificate.ts'
import { addresses, type FakeEvent, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { startNetworked } from './network/networked.ts'
import { filesWith } from './network/reading.ts'
import { type Answer, commandLine, processesOf, until } from './platform.ts'

const skip = (await fakeInternetLacks()) ?? false
const now = new Date()
const authority = mintAuthority('the fake internet', { now })
const certificate = (name: string) => mintCertificate(authority, { names: [name], days: 2, now })
const folder = await mkdtemp(join(tmpdir(), 'warren-outgoing-'))
const authorityFile = join(folder, 'authority.pem')
await writeFile(authorityFile, authority.certificate)
// The platform of an ordinary user reads it too.
await chmod(folder, 0o755)
const internet = skip
  ? (undefined as never)
  : await openFakeInternet({
      'allowed.example': certificate('allowed.example'),
      'www.wild.example': certificate('www.wild.example'),
      'h2.wild.example': certificate('h2.wild.example'),
      'evil.example': certificate('evil.example'),
      // For somebody else, and by nobody that is known.
      'other.wild.example': certificate('www.wild.example'),
      'shared.example': mintCertificate(mintAuthority('nobody', { now }), { names: ['shared.example'], days: 2, now }),
    })
const platform = skip ? (undefined as never) : await startNetworked(internet, { WARREN_EGRESS_CA: authorityFile })
after(async () => {
  await internet?.close()
  await rm(folder, { recursive: true })
})

const secured = await readFile(fileURLToPath(new URL('network/secured.py', import.meta.url)), 'utf8')
const value = 'hunter2-never-to-be-seen-inside'
const allow = ['allowed.example', '*.wild.example', 'evil.example', 'shared.example']
/** What a program writes for a secret. */
const placeholder = (name: string) => ['$', `{warren.secrets.${name}}`].join('')

const execute = async (path: string, command: string | string[]) =>
  (await platform.json('POST', `${path}/execute`, { command, timeout: 30 })).stdout.trim() as string

/** What a program inside gets back for these bytes, said in TLS. */
function say(path: string, said: string, { name = 'allowed.example', address = addresses.allowed, more = '' } = {}) {
  const argv = ['/usr/bin/python3', '-c', secured, address, name, Buffer.from(said).toString('base64'), more]
  return execute(path, argv)
}

const get = (headers: string, { url = '/', host = 'allowed.example' } = {}) =>
  `GET ${url} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n${headers}\r\n`

const requests = (): FakeEvent[] => internet.events.filter(({ kind }) => kind === 'https')

async function refusals(path: string): Promise<string[]> {
  const { log } = await platform.json('GET', `${path}/network`)
  return log.flatMap(({ reason }: Answer) => reason ?? [])
}

async function refused(input: object): Promise<string> {
  const response = await platform.call('POST', '/v1/sandboxes', { network: { allow, ...input } })
  return `${response.status} ${(await response.json()).message}`
}

test('a rule sets and removes headers of requests to its host, with the tools that programs use', {
  skip,
}, async () => {
  await platform.json('POST', '/v1/secrets', { name: 'api', value, hosts: ['allowed.example'] })
  const rules = [
    { host: 'allowed.example', set: { Authorization: `Bearer ${placeholder('API')}` }, remove: ['x-gone'] },
  ]
  const path = await platform.sandbox({ network: { allow, rules } })
  await internet.forget()
  const curl = await execute(
    path,
    'curl -sS -m 20 -H "authorization: mine" -H "x-gone: 1" https://allowed.example/a?b=c',
  )
  assert.match(curl, /^\{"name":"allowed\.example"/, curl)
  const code = `import urllib.request; print(urllib.request.urlopen("https://allowed.example/python").status)`
  assert.equal(await execute(path, ['/usr/bin/python3', '-c', code]), '200')
  const [first, second] = requests()
  assert.deepEqual(
    [first!.url, first!.headers!.authorization, first!.headers!['x-gone']],
    ['/a?b=c', `Bearer ${value}`, undefined],
  )
  assert.deepEqual([second!.url, second!.headers!.authorization], ['/python', `Bearer ${value}`])
  // What no rule is for is not looked into: the server's own certificate is seen, which nobody inside knows.
  assert.match(await say(path, get(''), { name: 'www.wild.example' }), /CERTIFICATE_VERIFY_FAILED/)

  const posted = 'POST /p HTTP/1.1\r\nhost: allowed.example\r\nconnection: close\r\n'
  assert.match(
    await say(path, `${posted}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n`),
    /hello world/,
  )
  const expecting = await say(path, `${posted}content-length: 2\r\nexpect: 100-continue\r\n\r\nhi`)
  assert.match(expecting, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[\s\S]*"text":"hi"/)
  const socket = 'GET /w HTTP/1.1\r\nhost: allowed.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'
  assert.match(await say(path, socket), /^HTTP\/1\.1 101/)
  assert.equal(requests().at(-1)!.headers!.authorization, `Bearer ${value}`)

  const shown = await platform.json('GET', path)
  assert.deepEqual(shown.network, {
    ...{ internet: false, allow, deny: [] },
    rules: [{ host: 'allowed.example', set: ['authorization'], remove: ['x-gone'] }],
  })
  await platform.call('DELETE', path)
})

test('a placeholder inside is filled in headers for the hosts of its secret, and nowhere else', { skip }, async () => {
  await platform.json('POST', '/v1/secrets', { name: 'inside', value, hosts: ['allowed.example'] })
  await platform.json('POST', '/v1/secrets', { name: 'wild', value: 'other-value', hosts: ['*.wild.example'] })
  const own = placeholder('inside')
  const env = { API_KEY: own }
  const path = await platform.sandbox({ env, network: { allow, secrets: ['inside', 'Wild'] } })
  await internet.forget()
  const curl = await execute(
    path,
    'curl -sS -m 20 -H "x-key: $API_KEY" -u "user:$API_KEY" "https://allowed.example/?k=$API_KEY" -g -d "$API_KEY"',
  )
  const [request] = requests()
  assert.ok(request, curl)
  assert.equal(request.headers!['x-key'], value)
  assert.equal(request.headers!.authorization, `Basic ${Buffer.from(`user:${value}`).toString('base64')}`)
  assert.ok(!`${request.url}${request.text}`.includes(value) && request.text!.includes(own))

  await internet.forget()
  const other = await say(path, get(`x-key: ${placeholder('wild')}\r\n`))
  assert.match(other, /^HTTP\/1\.1 403[\s\S]*the secret "wild" is not for allowed\.example/)
  assert.match(
    await say(path, get(`x-key: ${placeholder('api')}\r\n`)),
    /403[\s\S]*"api" was not given to this sandbox/,
  )
  // To a host of no secret nobody looks: it goes out as it is written.
  await say(path, get(`x-key: ${own}\r\n`, { host: 'evil.example' }), {
    name: 'evil.example',
    address: addresses.evil,
    more: 'unchecked',
  })
  assert.deepEqual(
    requests().map(({ headers }) => headers!['x-key']),
    [own],
  )

  const search = `cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; env; grep -rsl hunter2- /etc /run /home /tmp /root /var`
  const found = await execute(path, search)
  assert.ok(!found.includes(value), found)
  await platform.call('DELETE', path)
})

test('requests that say two things, ask too much or hide something do not get a secret', { skip }, async () => {
  const rules = [
    { host: 'allowed.example', set: { 'x-key': placeholder('api') } },
    { host: 'evil.example', set: { 'x-own': 'yes' } },
  ]
  const path = await platform.sandbox({ network: { allow, rules } })
  await internet.forget()
  assert.match(await say(path, get('', { host: 'evil.example' })), /^HTTP\/1\.1 403[\s\S]*its TLS for allowed\.example/)
  const [one, two] = ['allowed.example', 'evil.example'].map((host) => `GET /${host} HTTP/1.1\r\nhost: ${host}\r\n\r\n`)
  const both = await say(path, `${one}${two}`)
  assert.match(both, /^HTTP\/1\.1 200[\s\S]*HTTP\/1\.1 403/)
  assert.match(await say(path, get('', { url: 'https://evil.example/' })), /^HTTP\/1\.1 403/)
  const hosts = 'GET / HTTP/1.1\r\nhost: allowed.example\r\nhost: evil.example\r\n\r\n'
  for (const wrong of [
    hosts,
    'POST / HTTP/1.1\r\nhost: allowed.example\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: allowed.example\r\n\r\n',
    'POST / HTTP/1.1\r\nhost: allowed.example\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!',
    'POST / HTTP/1.1\r\nhost: allowed.example\r\ntransfer-encoding: chunked, x\r\n\r\n0\r\n\r\n',
    'GET / HTTP/1.1\nhost: allowed.example\nx: a\rb\n\n',
    get('x-bad: a\0b\r\n'),
    get(`x-big: ${'a'.repeat(20_000)}\r\n`),
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    get('').replace('GET', 'TRACE'),
    get('').replace('GET', 'CONNECT'),
  ])
    assert.doesNotMatch(await say(path, wrong), /^HTTP\/1\.1 200/, wrong.slice(0, 80))
  assert.deepEqual(
    requests().map(({ url }) => url),
    ['/allowed.example'],
  )
  // The name does not stand for the address: nobody is asked there.
  await say(path, get(''), { address: addresses.evil })
  assert.equal(requests().length, 1)
  assert.ok((await refusals(path)).some((reason) => reason.includes('does not stand for the address')))
  await platform.call('DELETE', path)
})

test('a server with another certificate than its own gets no request, and the sandbox and its log learn why', {
  skip,
}, async () => {
  const rules = ['shared.example', '*.wild.example'].map((host) => ({ host, set: { 'x-key': 'literal-value' } }))
  const path = await platform.sandbox({ network: { allow, rules } })
  await internet.forget()
  const unknown = await say(path, get('', { host: 'shared.example' }), { name: 'shared.example' })
  assert.match(unknown, /^HTTP\/1\.1 502[\s\S]*the certificate of shared\.example is not valid/)
  const other = { name: 'other.wild.example', address: '93.184.216.36' }
  const wrong = await say(path, get('', { host: other.name }), other)
  assert.match(wrong, /^HTTP\/1\.1 502[\s\S]*the certificate of other\.wild\.example is not valid/)
  assert.deepEqual(requests(), [])
  const reasons = (await refusals(path)).join('\n')
  assert.match(reasons, /shared\.example is not valid[\s\S]*other\.wild\.example is not valid/)
  await platform.call('DELETE', path)
})

test('a change of rules, of a secret and its end hold at once, and over kills of the platform and the gateway', {
  skip,
}, async () => {
  const path = await platform.sandbox({ network: { internet: true } })
  const key = async (): Promise<string> => {
    await internet.forget()
    const answer = await execute(path, `curl -sS -m 20 --cacert /run/warren/ca-bundle.pem https://allowed.example/`)
    return String(requests().at(-1)?.headers?.['x-key'] ?? answer)
  }
  const set = (text: string) =>
    platform.json('PUT', `${path}/network`, { internet: true, rules: [{ host: '*.example', set: { 'x-key': text } }] })
  await set('one')
  assert.equal(await key(), 'one')
  await platform.json('POST', '/v1/secrets', { name: 'turning', value: 'two' })
  await set(`<${placeholder('turning')}>`)
  assert.equal(await key(), '<two>')
  await platform.json('PUT', '/v1/secrets/turning', { value: 'three' })
  assert.equal(await key(), '<three>')
  const gateway = () => processesOf(platform.home).find((pid) => commandLine(pid).includes('gateway/main.ts'))
  const before = gateway()!
  process.kill(before, 'SIGKILL')
  await until('there is another gateway', () => gateway() !== undefined && gateway() !== before)
  assert.equal(await until('it knows the rules', async () => (await key()).startsWith('<') && key()), '<three>')
  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal(await key(), '<three>')
  await platform.json('PUT', '/v1/secrets/turning', { value: 'four\r\nx-more: 1' })
  assert.match(await key(), /characters that no header may have/)
  await platform.json('DELETE', '/v1/secrets/turning')
  assert.match(await key(), /there is no secret "turning" any more/)
  await platform.json('PUT', `${path}/network`, { internet: true })
  await internet.forget()
  await execute(path, 'curl -sk -m 20 https://allowed.example/')
  assert.equal(requests().at(-1)?.headers?.['x-key'], undefined)
  await platform.call('DELETE', path)
})

test('connections go by the proxy that is asked for, which nobody reaches who may not be reached', {
  skip,
}, async () => {
  const proxy = { address: `${addresses.listed}:1080`, username: 'tenant', password: 'opensesame' }
  const rules = [{ host: 'allowed.example', set: { 'x-key': 'by-proxy' } }]
  const path = await platform.sandbox({ network: { internet: true, proxy, rules } })
  await internet.forget()
  assert.match(await execute(path, 'curl -sS -m 20 https://allowed.example/'), /"x-key":"by-proxy"/)
  assert.match(await execute(path, 'curl -sS -m 20 http://allowed.example/'), /served by 93\.184\.216\.34:80/)
  const proxied = internet.events
    .filter(({ kind }) => kind === 'proxied')
    .map(({ address, port }) => `${address}:${port}`)
  assert.deepEqual(proxied, [`${addresses.allowed}:443`, `${addresses.allowed}:80`])
  const shown = await (await platform.call('GET', path)).text()
  assert.match(shown, /"proxy":\{"address":"93\.184\.216\.50:1080","username":"tenant"\}/)
  assert.ok(!shown.includes('opensesame'))
  const set = (given: object) => platform.json('PUT', `${path}/network`, { internet: true, proxy: given })
  await set({ ...proxy, password: 'wrong' })
  assert.equal(await execute(path, 'curl -sS -m 20 http://allowed.example/ 2>/dev/null'), '')
  await set({ ...proxy, address: 'private.wild.example:1080' })
  assert.equal(await execute(path, 'curl -sS -m 20 http://allowed.example/ 2>/dev/null'), '')
  const reasons = (await refusals(path)).join('\n')
  assert.match(reasons, /does not take this user[\s\S]*the address of the proxy is in 10\.0\.0\.0\/8/)
  for (const address of ['10.9.9.9:1080', '127.0.0.1:1080', '169.254.169.254:80'])
    assert.match(await refused({ proxy: { address } }), /^403 network\.proxy: .* which no sandbox may reach/)
  for (const address of ['example.com', 'example.com:0', 'socks5://example.com:1', '[::1]:1080', '93.184.216.0/24:1'])
    assert.match(await refused({ proxy: { address } }), /^400 /, address)
  await platform.call('DELETE', path)
})

test('rules that cannot be kept are refused by name, without their values', { skip }, async () => {
  const rule = (more: object) => ({ rules: [{ host: 'allowed.example', ...more }] })
  for (const [input, reason] of [
    [rule({ host: '*' }), /^400 .*"\*" is neither a name/],
    [rule({ set: { Host: value } }), /^400 .*"host" cannot be changed/],
    [rule({ set: { 'x y': value } }), /^400 .*is no name of a header/],
    [rule({ set: { 'x-key': `${value}\r\nx: y` } }), /^400 .*"x-key" has characters/],
    [rule({ set: { 'x-key': value.repeat(400) } }), /^400 .*not shown/],
    [rule({ set: { 'x-key': placeholder('nothing') } }), /^400 .*no secret "nothing"/],
    [
      { rules: [{ host: 'evil.example', set: { 'x-key': placeholder('api') } }] },
      /^403 .*"api" may not be sent to evil/,
    ],
    [{ rules: [rule({}), rule({})].flatMap(({ rules }) => rules) }, /^400 .*two rules for allowed/],
    [{ secrets: ['nothing'] }, /^400 .*no secret "nothing"/],
  ] as const) {
    const said = await refused(input)
    assert.match(said, reason)
    assert.ok(!said.includes('hunter2'), said)
  }
})

test('values are in no log and no file of the home', { skip }, async () => {
  const rules = [{ host: 'allowed.example', set: { 'x-key': 'literal-that-was-written-into-a-rule' } }]
  await platform.json('POST', '/v1/secrets', { name: 'last', value, hosts: ['allowed.example'] })
  const path = await platform.sandbox({ network: { allow, rules, secrets: ['last'] } })
  await execute(path, 'curl -sS -m 20 https://allowed.example/')
  const log = JSON.stringify(await platform.json('GET', `${path}/network`))
  const texts = ['hunter2-', 'literal-that-was', 'opensesame']
  for (const text of texts) assert.ok(!platform.log().includes(text) && !log.includes(text), text)
  assert.deepEqual(filesWith(platform.home, texts), [])
  await platform.call('DELETE', path)
})

/** Speaks HTTP/2 inside: makes the requests it is told at once, on one connection, and prints what became of each. */
const http2Client = `const http2 = require('http2')
const [origin, asked] = process.argv.slice(1)
const session = http2.connect(origin)
session.on('error', (error) => { console.log(JSON.stringify([{ failed: String(error) }])); process.exit() })
Promise.all(JSON.parse(asked).map(({ headers = {}, body, size, trailers }) => new Promise((resolve) => {
  const stream = session.request({ ':method': body === undefined && !size ? 'GET' : 'POST', ...headers }, { waitForTrailers: !!trailers })
  const got = { text: '' }
  stream.setEncoding('utf8')
  stream.on('response', (head, flags) => { got.status = head[':status']; got.head = head; got.ended = (flags & 1) === 1 })
  stream.on('trailers', (found) => { got.trailers = { ...found } })
  stream.on('data', (chunk) => { got.text += chunk })
  stream.on('error', () => {})
  stream.on('close', () => resolve({ ...got, reset: stream.rstCode }))
  if (trailers) stream.on('wantTrailers', () => stream.sendTrailers(trailers))
  if (size) stream.end(Buffer.alloc(size, 'x'))
  else stream.end(body)
}))).then((all) => { console.log(JSON.stringify(all)); session.close() })`

async function http2(path: string, asked: object[], origin = 'https://h2.wild.example'): Promise<Answer[]> {
  const argv = ['/usr/bin/node', '-e', http2Client, origin, JSON.stringify(asked)]
  const { stdout, stderr } = await platform.json('POST', `${path}/execute`, { command: argv, timeout: 30 })
  return JSON.parse(stdout || JSON.stringify([{ failed: stderr }]))
}

test('HTTP/2 is spoken with a server that has it: rules, bodies, trailers and resets, many at once', {
  skip: skip || (!existsSync('/usr/bin/node') && 'the host has no /usr/bin/node, which speaks HTTP/2 inside'),
}, async () => {
  const rules = [
    { host: 'h2.wild.example', set: { authorization: `Bearer ${placeholder('api2')}` }, remove: ['x-gone'] },
  ]
  await platform.json('POST', '/v1/secrets', { name: 'api2', value, hosts: ['h2.wild.example'] })
  const path = await platform.sandbox({ network: { allow, rules } })
  await internet.forget()
  const plain = { headers: { ':path': '/a?b=c', authorization: 'mine', 'x-gone': '1', te: 'trailers' } }
  const [got, sent, only, reset, other, traced] = await http2(path, [
    plain,
    { headers: { ':path': '/up' }, size: 3_000_000, trailers: { 'x-own': 'last' } },
    { headers: { ':path': '/only' } },
    { headers: { ':path': '/reset' } },
    { headers: { ':path': '/', ':authority': 'evil.example' } },
    { headers: { ':path': '/', 'x-other': placeholder('nothing') } },
  ])
  assert.equal(got.status, 200, JSON.stringify(got))
  const { headers } = JSON.parse(got.text)
  assert.deepEqual([headers.authorization, headers['x-gone'], headers.te], [`Bearer ${value}`, undefined, 'trailers'])
  assert.deepEqual([got.head['x-served'], got.trailers], ['yes', { 'grpc-status': '0', 'x-length': '0' }])
  assert.deepEqual(sent.trailers, { 'grpc-status': '0', 'x-length': '3000000' })
  assert.deepEqual(JSON.parse(sent.text).trailers, { 'x-own': 'last' })
  assert.deepEqual([only.ended, only.head['grpc-status']], [true, '12'], 'a head that is all of the answer stays so')
  assert.deepEqual([reset.status, reset.reset], [undefined, 7])
  assert.deepEqual([other.status, traced.status], [403, 403])
  assert.match(traced.text, /refused: the secret "nothing" was not given/)
  const reasons = (await refusals(path)).join()
  assert.match(reasons, /it is for evil\.example, and its TLS for h2\.wild\.example/)
  assert.deepEqual([...new Set(requests().map(({ name }) => name?.replace(':443', '')))], ['h2.wild.example'])

  const many = await http2(
    path,
    Array.from({ length: 250 }, (_, at) => ({ headers: { ':path': `/${at}` } })),
  )
  assert.deepEqual(
    many.map(({ status, text }) => [status, JSON.parse(text).url]),
    many.map((_, at) => [200, `/${at}`]),
  )
  const curl = await execute(path, 'curl -sS -m 20 --http2 -w " %{http_version}" https://h2.wild.example/')
  assert.match(curl, / 2$/)
  const earlier = await execute(path, 'curl -sS -m 20 --http1.1 -w " %{http_version}" https://h2.wild.example/')
  assert.match(earlier, / 1\.1$/)
})

test('a change of the policy cuts HTTP/2 too, and a new value holds for the next request of a connection', {
  skip: skip || (!existsSync('/usr/bin/node') && 'the host has no /usr/bin/node, which speaks HTTP/2 inside'),
}, async () => {
  const rule = (text: string) => [{ host: 'h2.wild.example', set: { 'x-rule': text } }]
  const path = await platform.sandbox({ network: { allow, rules: rule('one') } })
  const slow = `const session = require('http2').connect('https://h2.wild.example')
session.on('error', () => {}); session.on('close', () => { console.log('closed'); process.exit() })
const ask = () => { const stream = session.request({ ':path': '/' }); let text = ''
  stream.on('error', () => {}); stream.on('data', (chunk) => { text += chunk })
  stream.on('close', () => { if (text) console.log(JSON.parse(text).headers['x-rule']); setTimeout(ask, 50) }) }
ask()`
  await platform.json('POST', `${path}/processes`, {
    command: ['/bin/sh', '-c', 'exec /usr/bin/node -e "$0" >/tmp/heard', slow],
  })
  const output = () => execute(path, 'cat /tmp/heard 2>/dev/null || :')
  const heard = (text: string) => until(`it prints ${text}`, async () => (await output()).includes(text))
  await heard('one')
  await platform.json('PUT', `${path}/network`, { allow, rules: rule('two') })
  await heard('two')
  assert.ok(!(await output()).includes('closed'), 'on the same connection')
  await platform.json('PUT', `${path}/network`, { allow: ['allowed.example'], rules: rule('three') })
  await heard('closed')
})
