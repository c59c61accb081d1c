import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import http from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Answer, keyed, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'

/**
 * Every address at which something can be named × the things of another organisation: each is 404, and nothing has changed
 * afterwards. The addresses are read from the OpenAPI document and from the sources of E2B's door, so a new one is walked too.
 */
const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_BILLING_SANDBOX_BANK: 'yes' })
const password = 'four words nobody guesses'

const theirs = await thingsOf()
const stranger = await ownerOfAnother()
const document = await (await platform.fetch('/openapi.json')).json()

/** What each parameter of a path is filled with. `{id}` is a snapshot below /v1/snapshots. */
const named: Record<string, string> = {
  ...{
    id: theirs.sandbox,
    sandboxID: theirs.sandbox,
    processId: theirs.process,
    contextId: theirs.context,
    port: '80',
  },
  ...{ volume: theirs.volume, volumeID: theirs.volume, key: theirs.key, serviceAccount: theirs.service, path: '' },
  ...{
    bucket: theirs.bucket,
    secret: theirs.secret,
    secretID: theirs.secret,
    webhook: theirs.webhook,
    queue: theirs.queue,
  },
  ...{ invoice: theirs.invoice, payment: theirs.payment, card: theirs.card },
  // These are the operator's, and no organisation's.
  ...{ plan: 'dear', code: 'NONE', account: 'org0' },
  ...{ name: theirs.template, templateID: theirs.template, alias: theirs.templateName, build: theirs.build },
  ...{ buildID: theirs.build, session: theirs.session, organisation: 'org0', teamID: 'org0', user: theirs.user },
  ...{ route: theirs.route, invitation: theirs.invitation, hash: '0'.repeat(64) },
}

const ofSnapshot = { id: theirs.snapshot }
const ofFunction = { name: theirs.functionName, id: theirs.schedule }
const ofTrigger = { name: theirs.functionName, id: theirs.trigger }
const ofEventTrigger = { name: theirs.functionName, id: theirs.eventTrigger }
const ofHook = { name: theirs.functionName, id: theirs.hook }
const ofBucket = { key: theirs.object }
const ofAgent = { name: theirs.agent, fact: theirs.fact, document: theirs.document }
const ofRun = { id: theirs.run, approval: theirs.approval }
const ofSession = { id: theirs.conversation }
const ofExperience = { id: theirs.experience }
const ofInvocation = { name: theirs.functionName, id: theirs.invocation }

const owned: [RegExp, Record<string, string>][] = [
  [/^\/v1\/functions\/.*\/storage-triggers/, ofTrigger],
  [/^\/v1\/functions\/.*\/event-triggers/, ofEventTrigger],
  [/^\/v1\/functions\/.*\/hooks/, ofHook],
  [/^\/v1\/functions\/.*\/invocations/, ofInvocation],
  [/^\/v1\/functions/, ofFunction],
  [/^\/v1\/snapshots/, ofSnapshot],
  [/^\/v1\/buckets/, ofBucket],
  [/^\/v1\/agents/, ofAgent],
  [/^\/v1\/runs/, ofRun],
  [/^\/v1\/sessions/, ofSession],
  [/^\/v1\/experiences/, ofExperience],
]

test('every address of the REST API answers 404 for what is of another organisation', async () => {
  const before = await state()
  let walked = 0
  for (const [path, methods] of Object.entries<Answer>(document.paths)) {
    // Uploads are named by their content, in the organisation of who asks.
    if (!path.includes('{') || path.includes('/uploads/')) continue
    for (const [method, operation] of Object.entries<Answer>(methods)) {
      // What only the operator may is refused to everybody else whatever it names; what providers send names no organisation.
      if (operation['x-permission'] === 'platform:manage' || path === '/v1/billing/notices/{provider}') continue
      // A signed address is good for whoever has it, and nothing but the signature says that it is one.
      if (path.startsWith('/v1/signed/')) continue
      // These make one of the caller's own.
      const makes = ['/v1/queues/{queue}', '/v1/functions/{name}', '/v1/agents/{name}']
      if (method === 'put' && makes.includes(path)) continue
      const own = owned.find(([pattern]) => pattern.test(path))?.[1]
      const target = filled(path, own)
      const { status, text } = await asked(
        method,
        target + queryOf(operation),
        bodyOf(operation),
        operation['x-websocket'],
      )
      assert.equal(status, 404, `${method} ${path}: ${status} ${text}`)
      walked++
    }
  }
  assert.ok(walked > 55, `${walked} were walked`)
  assert.deepEqual(await state(), before)
})

test('every address of E2B answers 404 for what is of another organisation', async () => {
  const before = await state()
  const routes = e2bRoutes()
  assert.ok(routes.length >= 30, `${routes.length} were found`)
  for (const [method, path] of routes) {
    const target =
      path.startsWith('/api-keys') || path.startsWith('/access-tokens')
        ? filled(path, { id: theirs.key })
        : filled(path)
    const { status, text } = await asked(
      method,
      target + (path.endsWith('/max') ? '?metric=concurrent_sandboxes' : ''),
      e2bBody(method, path),
    )
    assert.equal(status, 404, `${method} ${path}: ${status} ${text}`)
  }
  for (const [method, body] of [
    ['post', { target: `${theirs.templateName}:default`, tags: ['mine'] }],
    ['delete', { name: theirs.templateName, tags: ['other'] }],
  ] as const) {
    const { status, text } = await asked(method, '/templates/tags', JSON.stringify(body))
    assert.equal(status, 404, `${method} /templates/tags: ${status} ${text}`)
  }
  const created = await asked('post', '/v2/sandboxes', JSON.stringify({ templateID: theirs.snapshot }))
  assert.ok(
    created.status >= 400 && created.status < 500,
    `a sandbox from their snapshot: ${created.status} ${created.text}`,
  )
  assert.deepEqual(await state(), before)
})

test('no list shows anything of another organisation, and nothing can be made of it', async () => {
  const hidden = Object.values(theirs).filter((id) => id.length > 5)
  for (const [path, methods] of Object.entries<Answer>(document.paths)) {
    if (path.includes('{') || !methods.get || !path.startsWith('/v1/') || path.startsWith('/v1/auth/sso')) continue
    // It shows what the stranger has tried above, under the names that they used.
    if (path.startsWith('/v1/audit')) continue
    const { status, text } = await asked('get', path)
    const expected = methods.get['x-permission'] === 'platform:manage' ? 403 : 200
    assert.equal(status, expected, `${path}: ${text}`)
    for (const id of hidden) assert.ok(!text.includes(id), `${path} shows ${id}`)
  }
  for (const path of ['/v2/sandboxes', '/sandboxes', '/snapshots', '/templates', '/volumes', '/api-keys', '/teams']) {
    const { text } = await asked('get', path)
    for (const id of hidden) assert.ok(!text.includes(id), `${path} shows ${id}`)
  }
  assert.deepEqual(
    JSON.parse((await asked('get', `/sandboxes/metrics?sandbox_ids=${theirs.sandbox}`)).text).sandboxes,
    {},
  )
  for (const body of [
    { snapshot: theirs.snapshot },
    { template: theirs.templateName },
    { volumes: [{ name: theirs.volumeName, path: '/data' }] },
  ]) {
    const { status, text } = await asked('post', '/v1/sandboxes', JSON.stringify(body))
    assert.ok(status === 404 || status === 400, `${JSON.stringify(body)}: ${status} ${text}`)
  }
  const route = await asked('post', '/v1/routes', JSON.stringify({ path: '/mine', function: theirs.functionName }))
  assert.equal(route.status, 404, route.text)
})

test('below names that both organisations have, the ids of one are not there for the other', async () => {
  const before = await state()
  const source = Buffer.from('export default async () => 2').toString('base64')
  const mine = [
    await asked(
      'put',
      `/v1/agents/${theirs.agent}`,
      JSON.stringify({ name: theirs.agent, script: [{ text: 'mine' }] }),
    ),
    await asked(
      'put',
      `/v1/functions/${theirs.functionName}`,
      JSON.stringify({ runtime: 'node24', files: { 'index.js': source } }),
    ),
  ]
  for (const { status, text } of mine) assert.ok(status < 300, text)
  let walked = 0
  for (const [path, methods] of Object.entries<Answer>(document.paths)) {
    if (!/^\/v1\/(agents|functions)\/\{name\}\/.*\{(id|fact|document)\}/.test(path)) continue
    for (const [method, operation] of Object.entries<Answer>(methods)) {
      const own = owned.find(([pattern]) => pattern.test(path))![1]
      const { status, text } = await asked(method, filled(path, own) + queryOf(operation), bodyOf(operation))
      assert.equal(status, 404, `${method} ${path}: ${status} ${text}`)
      walked++
    }
  }
  assert.ok(walked >= 8, `${walked} were walked`)
  assert.deepEqual(await state(), before)
})

test('an organisation has its own number of sandboxes', async () => {
  await platform.json('PATCH', `/v1/orgs/${stranger.org}`, { maxSandboxes: 1 })
  await new Promise((resolve) => setTimeout(resolve, 1100))
  assert.equal(
    (await asked('patch', `/v1/orgs/${stranger.org}`, '{"maxSandboxes":5}')).status,
    403,
    'only the operator',
  )
  const first = await asked('post', '/v1/sandboxes', '{}')
  assert.equal(first.status, 201, first.text)
  assert.equal((await asked('post', '/v1/sandboxes', '{}')).status, 429)
  await platform.json('POST', '/v1/sandboxes', { timeout: 60 })
  const { id } = JSON.parse(first.text)
  assert.equal((await platform.call('GET', `/v1/sandboxes/${id}`)).status, 404, 'it is not of the operator either')
  assert.equal((await asked('delete', `/v1/sandboxes/${id}`)).status, 204)
})

/** One of everything, of the first organisation. */
async function thingsOf() {
  const sandbox = (await platform.json('POST', '/v1/sandboxes', { timeout: 600 })).id
  const path = `/v1/sandboxes/${sandbox}`
  // While nothing runs in it yet: a loaded machine saves little faster than much.
  const snapshot = (await platform.json('POST', `${path}/snapshots`, { name: 'theirs' })).id
  const process = (await platform.json('POST', `${path}/processes`, { command: 'sleep 600' })).id
  const context = (await platform.json('POST', `${path}/contexts`, { language: 'javascript' })).id
  const volumeName = 'their-volume'
  const volume = (await platform.json('POST', '/v1/volumes', { name: volumeName, sizeMb: 16 })).id
  const templateName = 'their-template'
  const plan = { name: templateName, dockerfile: { text: 'FROM base\nRUN true' } }
  const { template, id: build } = await platform.json('POST', '/v1/templates', plan)
  await until(
    'the build is over',
    async () =>
      !['waiting', 'building'].includes(
        (await platform.json('GET', `/v1/templates/${template}/builds/${build}`)).state,
      ),
    60_000,
  )
  const key = (await platform.json('POST', '/v1/keys', { name: 'their key' })).id
  const secretName = 'THEIR_SECRET'
  const secret = (await platform.json('POST', '/v1/secrets', { name: secretName, value: 'of theirs' })).id
  const webhook = (await platform.json('POST', '/v1/webhooks', { url: 'https://1.1.1.1/hook' })).id
  const queue = 'their-queue'
  await platform.json('PUT', `/v1/queues/${queue}`, {})
  const bucket = 'their-bucket'
  const object = 'their/object'
  await platform.json('POST', '/v1/buckets', { name: bucket })
  await platform.json('PUT', `/v1/buckets/${bucket}/objects/${object}`, 'of theirs')
  const functionName = 'their-function'
  const source = Buffer.from('export default async () => 1').toString('base64')
  await platform.json('PUT', `/v1/functions/${functionName}`, { runtime: 'node24', files: { 'index.js': source } })
  const schedule = (await platform.json('POST', `/v1/functions/${functionName}/schedules`, { cron: '0 0 1 1 *' })).id
  const toTrigger = `/v1/functions/${functionName}/storage-triggers`
  const trigger = (await platform.json('POST', toTrigger, { bucket })).id
  const eventTrigger = (
    await platform.json('POST', `/v1/functions/${functionName}/event-triggers`, { events: ['quota.changed'] })
  ).id
  const hook = (await platform.json('POST', `/v1/functions/${functionName}/hooks`, {})).id
  const route = (await platform.json('POST', '/v1/routes', { path: '/theirs', function: functionName })).id
  const agent = 'their-agent'
  const remember = { calls: [{ name: 'remember', arguments: { fact: 'Theirs is kept.' } }] }
  const calculate = { calls: [{ name: 'calculator', arguments: { expression: '1 + 1' } }] }
  const rules = [{ tool: 'calculator', arguments: { expression: '^1' }, action: 'ask', reason: 'of theirs' }]
  await platform.json('PUT', `/v1/agents/${agent}`, {
    name: agent,
    tools: ['remember', 'calculator'],
    ...{ rules, memory: { experiences: true }, script: [remember, calculate, { text: 'of theirs' }] },
  })
  const conversation = (await platform.json('POST', '/v1/sessions', { agent })).runId
  const run = (await platform.json('POST', '/v1/runs', { agent, input: 'Do it.' })).runId
  const approval = (await settledRun(platform, run)).approvals[0].id
  const fact = (await platform.json('GET', `/v1/agents/${agent}/facts`)).facts[0].id
  const put = { name: 'handbook.md', text: '# Of theirs' }
  const documentId = (await platform.json('POST', `/v1/agents/${agent}/documents`, put)).id
  const experience = await experienceOf(agent)
  const invocation = (await platform.json('POST', `/v1/functions/${functionName}/invocations`, {})).id
  const terms = { ...(await platform.json('GET', '/v1/billing/plans')).plans[0].terms }
  terms.prices = { USD: { monthly: 10_000, rates: {} } }
  await platform.json('PUT', '/v1/billing/plans/dear', terms)
  await platform.json('PUT', '/v1/billing/plan', { plan: 'dear', currency: 'USD' })
  const invoice = (await platform.json('POST', '/v1/billing/accounts/org0/invoices', {}, keyed('theirs'))).id
  const bound = await platform.json('POST', '/v1/billing/cards', { number: '4242424242424242', currency: 'CNY' })
  await platform.json('POST', `/v1/billing/cards/${bound.id}/confirm`, { code: bound.code })
  const amount = { currency: 'USD', amount: '12.34' }
  const paid = await platform.call(
    'POST',
    '/v1/billing/payments',
    { provider: 'bank', method: bound.id, amount },
    { headers: { 'idempotency-key': 'theirs' } },
  )
  assert.equal(paid.status, 200)
  const payment = (await paid.json()).id
  const service = (await platform.json('POST', '/v1/service-accounts', { name: 'their robot', role: 'viewer' })).id
  const invite = (email: string) => platform.json('POST', '/v1/orgs/org0/invitations', { email, role: 'viewer' })
  const invitation = (await invite('later@example.com')).id
  const { userId: user, sessionId: session } = await joined((await invite('their@example.com')).link)
  return {
    ...{ sandbox, process, context, snapshot, volume, volumeName, template, templateName, build },
    ...{
      key,
      service,
      invitation,
      user,
      session,
      secret,
      secretName,
      webhook,
      queue,
      bucket,
      object,
      functionName,
      trigger,
      eventTrigger,
      hook,
      route,
      schedule,
      agent,
      conversation,
    },
    ...{ run, approval, fact, document: documentId, experience, invocation, invoice, payment, card: bound.id },
  }
}

/** A run that has ended, once it is told of to others. */
async function experienceOf(agent: string): Promise<string> {
  const spec = { name: agent, memory: { experiences: true }, script: [{ text: 'Learnt.' }] }
  const { runId } = await platform.json('POST', '/v1/runs', { agent: spec, input: 'Learn it.' })
  await settledRun(platform, runId)
  return until('it is an experience', async () => {
    const { experiences } = await platform.json('GET', `/v1/experiences?agent=${agent}`)
    return experiences.find((one: Answer) => one.runId === runId)?.runId
  })
}

async function ownerOfAnother() {
  const org = (await platform.json('POST', '/v1/orgs', { name: 'other' })).id
  const invite = { email: 'stranger@example.com', role: 'owner' }
  const { link } = await platform.json('POST', `/v1/orgs/${org}/invitations`, invite)
  return { org, token: (await joined(link)).accessToken as string }
}

async function joined(link: string): Promise<Answer> {
  const body = JSON.stringify({ token: link.split('#')[1], password })
  const response = await platform.fetch('/v1/auth/join', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  })
  assert.equal(response.status, 200)
  return response.json()
}

/** A call of the stranger. Not by fetch, which opens no WebSocket by hand. */
function asked(
  method: string,
  path: string,
  body?: string,
  upgrades?: unknown,
): Promise<{ status: number; text: string }> {
  const headers = {
    authorization: `Bearer ${stranger.token}`,
    ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
    ...(body === undefined
      ? {}
      : { 'content-type': body === 'bytes' ? 'application/octet-stream' : 'application/json' }),
    ...(upgrades
      ? {
          connection: 'upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==',
        }
      : {}),
  }
  return new Promise((resolve, reject) => {
    const request = http.request(platform.url + path, { method: method.toUpperCase(), headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode!, text }))
    })
    request.on('upgrade', (response, socket) => {
      socket.destroy()
      resolve({ status: response.statusCode!, text: 'upgraded' })
    })
    request.on('error', reject)
    request.end(body)
  })
}

function filled(path: string, first: Record<string, string> = {}): string {
  return path.replace(/\{(\w+)\}|:(\w+)/g, (_all, one, other) => {
    const name = one ?? other
    const value = first[name] ?? named[name]
    assert.ok(value !== undefined, `${path} names a "${name}": say in this test what of another organisation it can be`)
    return value
  })
}

function queryOf({ parameters = [] }: Answer): string {
  const needed = parameters.filter((one: Answer) => one.in === 'query' && one.required)
  return needed.length > 0 ? `?${needed.map(({ name }: Answer) => `${name}=/tmp/x`).join('&')}` : ''
}

/** A body that the route takes, so that it is not for its body that it refuses. */
function bodyOf({ requestBody }: Answer): string | undefined {
  const schema = requestBody?.content['application/json']?.schema
  if (schema) return JSON.stringify(sample(schema, ''))
  return requestBody ? 'bytes' : undefined
}

/** The least that fits the schema. */
function sample(schema: Answer, name: string): unknown {
  if (schema.$ref) return sample(document.components.schemas[schema.$ref.split('/').at(-1)], name)
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.anyOf) return sample(schema.anyOf[0], name)
  if (schema.type === 'object')
    return Object.fromEntries(namesIn(schema).map((one: string) => [one, sample(schema.properties[one], one)]))
  if (schema.type === 'array') return Array.from({ length: schema.minItems ?? 0 }, () => sample(schema.items, name))
  if (schema.type === 'integer' || schema.type === 'number') return schema.minimum ?? 1
  if (schema.type === 'boolean') return false
  return (
    {
      email: 'a@example.com',
      mode: '0644',
      signal: 'SIGTERM',
      id: '1',
      code: '123456',
      events: '*',
      url: 'https://1.1.1.1/x',
      ref: 'a-1',
    }[name] ?? '/tmp/x'
  )
}

/** Those that have to be there, and one where any has to be. */
function namesIn({ required = [], minProperties = 0, properties = {} }: Answer): string[] {
  return required.length >= minProperties ? required : Object.keys(properties).slice(0, minProperties)
}

/** Method and path of each route of E2B's door that names something, as the sources have them. */
function e2bRoutes(): [method: string, path: string][] {
  const folder = join(import.meta.dirname, '../src/http/e2b')
  const found: [string, string][] = []
  for (const file of globSync('*.ts', { cwd: folder })) {
    if (file === 'volume-content.ts' || file === 'absent.ts') continue
    const source = readFileSync(join(folder, file), 'utf8')
    const loops = [...source.matchAll(/for \(const path of \[([^\]]+)\]/g)]
    const route = /\.(get|post|put|patch|delete)(?:<[^()]*>)?\(\s*(?:'([^']+)'|`([^`]+)`|path\b)/g
    for (const { index, 1: method, 2: plain, 3: versioned } of source.matchAll(route)) {
      const inLoop = loops.findLast((loop) => loop.index < index)?.[1]?.match(/[^' ,]+(?=')/g)
      const prefixed = ['/sandboxes', '/v2/sandboxes'].map((prefix) => versioned?.replace(/\$\{prefix\}/, prefix))
      for (const path of plain ? [plain] : versioned ? prefixed : (inLoop ?? [])) found.push([method!, path!])
    }
  }
  return found.filter(([, path]) => path.startsWith('/') && path.includes(':') && !path.includes('/uploads/'))
}

function e2bBody(method: string, path: string): string | undefined {
  if (path.endsWith('/timeout')) return '{"timeout":60}'
  if (path.startsWith('/secrets/')) return '{"value":"x"}'
  if (/\/(api-keys)\//.test(path)) return '{"name":"mine"}'
  if (path.startsWith('/v2/') && path.endsWith('/builds/:buildID')) return '{"fromImage":"base","steps":[]}'
  if (path.endsWith('/builds/:buildID')) return '{}'
  if (method === 'post' && path === '/templates/:templateID') return '{"dockerfile":"FROM base"}'
  if (/\/(pause|resume|connect|fork|network|refreshes|snapshots)$/.test(path)) return '{}'
  return /^\/(v2\/)?templates\/:templateID$/.test(path) ? '{"public":false}' : undefined
}

/** Everything of the first organisation as it is, without what changes by itself. */
async function state(): Promise<unknown> {
  const path = `/v1/sandboxes/${theirs.sandbox}`
  const one = await platform.json('GET', path)
  return {
    sandbox: [one.state, one.expiresAt, one.network],
    processes: (await platform.json('GET', `${path}/processes`)).processes.map(({ id }: Answer) => id),
    contexts: (await platform.json('GET', `${path}/contexts`)).contexts.map(({ id }: Answer) => id),
    files: await (await platform.call('GET', `${path}/files/list?path=/tmp`)).json(),
    snapshot: await platform.json('GET', `/v1/snapshots/${theirs.snapshot}`),
    volumes: await platform.json('GET', '/v1/volumes'),
    templates: await platform.json('GET', `/v1/templates/${theirs.template}`),
    keys: (await platform.json('GET', '/v1/keys')).keys.map(({ id, name }: Answer) => [id, name]),
    secrets: await platform.json('GET', '/v1/secrets'),
    services: await platform.json('GET', '/v1/service-accounts'),
    members: await platform.json('GET', '/v1/orgs/org0/members'),
    invitations: await platform.json('GET', '/v1/orgs/org0/invitations'),
    org: await platform.json('GET', '/v1/orgs/org0'),
    run: await platform.json('GET', `/v1/runs/${theirs.run}`),
    facts: await platform.json('GET', `/v1/agents/${theirs.agent}/facts`),
    documents: await platform.json('GET', `/v1/agents/${theirs.agent}/documents`),
    experiences: await platform.json('GET', '/v1/experiences'),
    invoice: await platform.json('GET', `/v1/billing/invoices/${theirs.invoice}`),
    cards: await platform.json('GET', '/v1/billing/cards'),
  }
}
