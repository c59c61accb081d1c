// Runs inside a sandbox behind wire.cjs: waits for the code of one function, then answers its calls.
const Module = require('node:module')
const path = require('node:path')
const vm = require('node:vm')

const mostLogBytes = 256 * 1024
const root = '/home/user/function'
const streamed = Symbol('streamed')

let loaded
/** The calls that run, by their number. */
const calls = new Map()
const inCall = new AsyncLocalStorage()
/** Steps that wait to hear what is known of them. */
const asked = new Map()
let lastAsked = 0

// ---- what the platform says

function take(frameKind, id, payload) {
  if (frameKind === kind.invoke) void invoke(id, payload)
  else if (frameKind === kind.load) load(payload)
  else if (frameKind === kind.cancel) calls.get(id)?.abort.abort(new Error('the caller has gone'))
  else if (frameKind === kind.room) calls.get(id)?.addRoom(payload.readUInt32BE(0))
  else if (frameKind === kind.called) heard(id, payload)
  else if (frameKind === kind.stepped) {
    asked.get(id)?.(JSON.parse(payload.toString()))
    asked.delete(id)
  }
}

// ---- output of the function

function log(text) {
  const call = loaded?.concurrency > 1 ? inCall.getStore() : calls.values().next().value
  if (!call) return send(kind.log, 0, text.slice(0, 4096))
  if (call.logged > mostLogBytes) return
  call.logged += text.length
  send(
    kind.log,
    call.id,
    call.logged > mostLogBytes ? `${text.slice(0, 4096)}\n[the log ends here: over 256 KiB]\n` : text,
  )
}

for (const stream of [process.stdout, process.stderr]) {
  stream.write = (chunk, encoding, done) => {
    log(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))
    const call = typeof encoding === 'function' ? encoding : done
    if (call) process.nextTick(call)
    return true
  }
}

// ---- loading

function load(payload) {
  try {
    const { head, body } = headed(payload)
    for (const name of Object.keys(process.env)) if (name.startsWith('WARREN_')) delete process.env[name]
    Object.assign(process.env, head.env)
    let at = 0
    const taken = (size) => {
      at += size
      return body.subarray(at - size, at)
    }
    const source = taken(head.sourceBytes)
    const cachedData = head.cacheBytes > 0 ? taken(head.cacheBytes) : undefined
    for (const { path: name, bytes } of head.files) {
      const file = path.join(root, name)
      fs.mkdirSync(path.dirname(file), { recursive: true })
      fs.writeFileSync(file, taken(bytes))
    }
    if (head.files.length > 0) process.chdir(root)
    const { exports, script } = run(source, cachedData)
    const chosen = choose(exports, head.handler)
    if (!chosen) {
      const names = Object.keys(exports ?? {}).join(', ') || 'nothing'
      const wanted = head.handler ? `"${head.handler}"` : 'a default export or "handler"'
      return send(
        kind.refused,
        0,
        JSON.stringify({ reason: 'missing_handler', message: `the code exports ${names}, and not ${wanted}` }),
      )
    }
    loaded = { ...head, ...chosen, texts: textsOf(head) }
    quietResources = activeResources()
    // After it has run, so that what it needed at its start is in it. One of another V8 is no use, and is made anew.
    const wantsCache = head.wantsCache || script.cachedDataRejected
    const cache = wantsCache ? script.createCachedData() : Buffer.alloc(0)
    send(kind.loaded, 0, cache)
  } catch (error) {
    send(kind.refused, 0, JSON.stringify({ reason: 'load_failed', ...told(error) }))
  }
}

function run(source, cachedData) {
  const filename = path.join(root, 'index.js')
  const script = new vm.Script(Module.wrap(source.toString('utf8')), {
    filename,
    cachedData,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  const module = new Module(filename)
  module.filename = filename
  const require = Module.createRequire(filename)
  script.runInThisContext()(module.exports, require, module, filename, root)
  return { exports: module.exports, script }
}

function choose(exports, wanted) {
  const named = (name) => name.split('.').reduce((value, part) => value?.[part], exports)
  if (wanted) {
    // "index.handler" names a file too, as elsewhere.
    const handler = named(wanted) ?? named(wanted.split('.').slice(1).join('.') || wanted)
    return typeof handler === 'function' ? { handler, shape: wanted.endsWith('default') ? 'web' : 'lambda' } : undefined
  }
  for (const candidate of [exports?.default, exports]) {
    if (typeof candidate === 'function') return { handler: candidate, shape: 'web' }
    if (typeof candidate?.fetch === 'function') return { handler: candidate.fetch.bind(candidate), shape: 'web' }
  }
  const handler = exports?.handler ?? exports?.default?.handler
  return typeof handler === 'function' ? { handler, shape: 'lambda' } : undefined
}

function told(error) {
  const isError = error instanceof Error || typeof error?.stack === 'string'
  const message = isError ? String(error.message) : typeof error === 'string' ? error : safeJson(error)
  return {
    type: isError ? String(error.name ?? 'Error') : typeof error,
    message: String(message).slice(0, 8192),
    stack: isError ? String(error.stack ?? '').slice(0, 16384) : undefined,
  }
}

function safeJson(value) {
  try {
    return JSON.stringify(value) ?? String(value)
  } catch {
    return String(value)
  }
}

// ---- calls

class Call {
  logged = 0
  #goOn
  #abort

  constructor(id, head) {
    this.id = id
    this.head = head
    this.until = performance.now() + head.timeoutMs
    /** So much may be sent before more is read, bytes. */
    this.room = head.windowBytes ?? Number.POSITIVE_INFINITY
  }

  addRoom(bytes) {
    this.room += bytes
    if (this.room > 0) this.#goOn?.()
  }

  /** Resolves when there is room. */
  hasRoom() {
    if (this.room > 0) return undefined
    return new Promise((resolve) => {
      this.#goOn = resolve
    })
  }

  /** Made when somebody asks for it, which most handlers never do. */
  get abort() {
    this.#abort ??= new AbortController()
    return this.#abort
  }
}

async function invoke(id, payload) {
  const { head, body } = headed(payload)
  const call = new Call(id, head)
  calls.set(id, call)
  call.calling = callingOf(call, calls.size === 1)
  try {
    const answer = loaded.concurrency > 1 ? inCall.run(call, handle, call, body) : handle(call, body)
    await answer
  } catch (error) {
    send(kind.failed, id, JSON.stringify({ reason: error?.warrenReason ?? 'error', ...told(error) }))
  } finally {
    calls.delete(id)
    clearTimeout(call.calling.timer)
  }
}

async function handle(call, body) {
  const context = new Context(call)
  if (loaded.shape === 'web') {
    const input = call.head.http ? requestOf(call, body) : eventOf(body)
    return answer(call, await loaded.handler(input, context))
  }
  const event = call.head.http ? urlEvent(call, body) : eventOf(body)
  if (loaded.handler[streamed]) return answerStream(call, (stream) => loaded.handler(event, stream, context))
  return answer(call, await lambda(event, context))
}

function eventOf(body) {
  if (body.length === 0) return null
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw Object.assign(new Error(`the payload is not JSON: ${cause.message}`), { warrenReason: 'bad_json' })
  }
}

/** Answers with a promise or through a callback, whichever comes first. */
function lambda(event, context) {
  return new Promise((resolve, reject) => {
    const callback = (error, value) => (error ? reject(error) : resolve(value))
    context.done = callback
    context.succeed = resolve
    context.fail = reject
    const returned = loaded.handler(event, context, callback)
    if (typeof returned?.then === 'function') returned.then(resolve, reject)
    else if (loaded.handler.length < 3 && returned !== undefined) resolve(returned)
    else if (loaded.handler.length < 2) resolve(returned)
  })
}

/** A class: a literal with a getter is put together by the runtime for each call, which costs more than most handlers do. */
class Context {
  #call
  callbackWaitsForEmptyEventLoop = true
  // Taken out of it they work too.
  getRemainingTimeInMillis = () => Math.max(0, Math.round(this.#call.until - performance.now()))
  step = (name, work) => step(this.#call, name, work)
  invoke = (name, payload, options) => invokeOther(this.#call.calling, name, payload, options)
  all = (asked) => invokeAll(this.#call.calling, asked)
  allSettled = (asked) => settleAll(this.#call.calling, asked)

  constructor(call) {
    const { requestId, traceparent, http, attempt = 1 } = call.head
    this.#call = call
    this.functionName = loaded.name
    this.functionVersion = loaded.texts.version
    this.invokedFunctionArn = loaded.texts.arn
    this.memoryLimitInMB = loaded.texts.memoryMb
    this.awsRequestId = requestId
    this.requestId = requestId
    this.traceparent = traceparent
    this.attempt = attempt
    this.logGroupName = loaded.texts.logGroup
    this.logStreamName = requestId
    if (http?.route) this.params = http.route.params
  }

  get signal() {
    return this.#call.abort.signal
  }
}

/** What is the same in the context of each call. */
function textsOf({ name, version, memoryMb, account }) {
  return {
    version: String(version),
    memoryMb: String(memoryMb),
    arn: `arn:warren:lambda:local:${account}:function:${name}:${version}`,
    logGroup: `/warren/functions/${name}`,
  }
}

/** Does the work of a step once for all attempts of this call: what it came to is kept before it is answered. */
async function step(call, name, work) {
  call.calling.steps++
  try {
    const known = await askStep(call, { name: String(name) })
    if (known.found) return known.value
    const value = await inStep.run(true, work)
    const kept = await askStep(call, { name: String(name), value: value === undefined ? null : value, done: true })
    if (kept.error) throw new Error(kept.error)
    return value
  } finally {
    call.calling.steps--
  }
}

function askStep(call, what) {
  const number = ++lastAsked
  return new Promise((resolve) => {
    asked.set(number, resolve)
    send(kind.step, call.id, JSON.stringify({ number, ...what }))
  })
}

function requestOf(call, body) {
  const { method, url, headers } = call.head.http
  const withBody = method !== 'GET' && method !== 'HEAD'
  return new Request(url, {
    method,
    headers,
    ...(withBody && body.length > 0 ? { body: new Uint8Array(body) } : {}),
    signal: call.abort.signal,
  })
}

/** The event of a function URL, as AWS has it in its format 2.0. */
function urlEvent(call, body) {
  const { method, url, headers, route } = call.head.http
  const { pathname, search, searchParams, host } = new URL(url)
  const entries = Object.fromEntries(headers)
  const isText = /^(text\/|application\/(json|xml|x-www-form-urlencoded|javascript|[\w.+-]*\+json))/.test(
    entries['content-type'] ?? 'text/',
  )
  const query = {}
  for (const [name, value] of searchParams) query[name] = name in query ? `${query[name]},${value}` : value
  return {
    version: '2.0',
    routeKey: route?.key ?? '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    ...(entries.cookie ? { cookies: entries.cookie.split(/; */) } : {}),
    headers: entries,
    queryStringParameters: query,
    ...(route ? { pathParameters: route.params } : {}),
    requestContext: {
      accountId: loaded.account,
      domainName: host,
      requestId: call.head.requestId,
      stage: '$default',
      routeKey: route?.key ?? '$default',
      http: {
        method,
        path: pathname,
        protocol: 'HTTP/1.1',
        sourceIp: call.head.http.address ?? '',
        userAgent: entries['user-agent'] ?? '',
      },
      timeEpoch: Date.now(),
    },
    ...(body.length > 0 ? { body: body.toString(isText ? 'utf8' : 'base64') } : {}),
    isBase64Encoded: body.length > 0 && !isText,
  }
}

// ---- answers

async function answer(call, value) {
  if (isResponse(value)) return answerResponse(call, value)
  if (value !== null && typeof value === 'object') {
    if (typeof value[Symbol.asyncIterator] === 'function') return answerPieces(call, value, {})
    if (call.head.http && typeof value.statusCode === 'number') return answerUrl(call, value)
  }
  if (call.head.http && typeof value === 'string')
    return whole(call, { status: 200, headers: [['content-type', 'text/plain; charset=utf-8']] }, Buffer.from(value))
  let text
  try {
    text = JSON.stringify(value === undefined ? null : value)
  } catch (cause) {
    throw new Error(`the result is not JSON: ${cause.message}`)
  }
  const bytes = Buffer.from(text ?? 'null')
  checkSize(call, bytes.length)
  send(kind.result, call.id, bytes)
}

/** Without asking for Response: the name alone loads what it is made of, 4 MB that most handlers never use. */
function isResponse(value) {
  return (
    value !== null &&
    typeof value === 'object' &&
    value.constructor?.name === 'Response' &&
    typeof value.arrayBuffer === 'function'
  )
}

function checkSize(call, bytes) {
  if (bytes <= call.head.mostBytes) return
  const message = `the result has ${bytes} bytes, over the ${call.head.mostBytes} that a result may have; stream it instead`
  throw Object.assign(new Error(message), { warrenReason: 'response_too_large' })
}

async function answerResponse(call, response) {
  const head = { status: response.status, headers: [...response.headers] }
  if (response.body === null) return whole(call, head, Buffer.alloc(0))
  return answerPieces(call, response.body, head)
}

function answerUrl(call, { statusCode, headers = {}, multiValueHeaders = {}, cookies = [], body, isBase64Encoded }) {
  const pairs = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)])
  for (const [name, values] of Object.entries(multiValueHeaders))
    for (const value of values) pairs.push([name.toLowerCase(), String(value)])
  for (const cookie of cookies) pairs.push(['set-cookie', String(cookie)])
  if (!pairs.some(([name]) => name === 'content-type')) pairs.push(['content-type', 'application/json'])
  const text = body === undefined || body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  return whole(call, { status: statusCode, headers: pairs }, Buffer.from(text, isBase64Encoded ? 'base64' : 'utf8'))
}

function whole(call, head, bytes) {
  checkSize(call, bytes.length)
  send(kind.head, call.id, JSON.stringify(head))
  send(kind.end, call.id, bytes)
}

async function answerPieces(call, pieces, head) {
  send(kind.head, call.id, JSON.stringify(head))
  for await (const piece of pieces) {
    if (call.abort.signal.aborted) throw call.abort.signal.reason
    const bytes =
      typeof piece === 'string'
        ? Buffer.from(piece)
        : ArrayBuffer.isView(piece)
          ? Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
          : Buffer.from(`${JSON.stringify(piece)}\n`)
    for (let at = 0; at < bytes.length; at += 65536) {
      const part = bytes.subarray(at, at + 65536)
      send(kind.chunk, call.id, part)
      flush()
      call.room -= part.length
      await drained()
      await call.hasRoom()
    }
  }
  send(kind.end, call.id)
}

/** For handlers that write to a stream themselves. */
async function answerStream(call, start) {
  const { PassThrough } = require('node:stream')
  const stream = new PassThrough()
  let head = {}
  stream.setContentType = (type) => {
    head.headers = [...(head.headers ?? []), ['content-type', type]]
  }
  stream.setMeta = ({ statusCode, headers = {}, cookies = [] }) => {
    head = {
      status: statusCode,
      headers: [...Object.entries(headers), ...cookies.map((cookie) => ['set-cookie', cookie])],
    }
  }
  const work = Promise.resolve(start(stream)).then(
    () => stream.end(),
    (error) => stream.destroy(error),
  )
  const first = await Promise.race([new Promise((resolve) => stream.once('readable', resolve)), work])
  void first
  await answerPieces(call, stream, head)
  await work
}

globalThis.awslambda = {
  streamifyResponse: (handler) => Object.assign(handler, { [streamed]: true }),
  HttpResponseStream: {
    from: (stream, meta) => {
      stream.setMeta(meta)
      return stream
    },
  },
}

// ---- the end of it

function die(error) {
  for (const { id } of calls.values()) send(kind.failed, id, JSON.stringify({ reason: 'error', ...told(error) }))
  flush()
  // What is known of this process after that is not worth a further call.
  socket?.end(() => process.exit(1))
  setTimeout(() => process.exit(1), 100)
}
process.on('uncaughtException', die)
process.on('unhandledRejection', die)

/** What is done at a first call is compiled by then. */
function rehearse() {
  const { exports } = run(Buffer.from('exports.handler = async (event) => event'))
  loaded = { ...choose(exports), concurrency: 1, name: '', texts: textsOf({}) }
  const head = Buffer.from(JSON.stringify({ requestId: '', timeoutMs: 1, mostBytes: 100 }))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(head.length)
  void invoke(0, Buffer.concat([length, head, Buffer.from('{}')])).then(() => {
    loaded = undefined
  })
}

rehearse()
setImmediate(() => {
  out = []
  serve(take)
})
