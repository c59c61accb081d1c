// Runs inside a sandbox behind wire.cjs: speaks the AWS Lambda Runtime API on loopback with an executable of the function's.
const { spawn } = require('node:child_process')
const http = require('node:http')
const path = require('node:path')

const root = '/home/user/function'
const mostLogBytes = 256 * 1024

let loaded
let child
/** Calls that wait for the executable to ask. */
const waiting = []
/** Of those it asks for while there is none. */
const asking = []
const calls = new Map()

function take(frameKind, id, payload) {
  if (frameKind === kind.load) load(payload)
  else if (frameKind === kind.invoke) {
    const { head, body } = headed(payload)
    const call = { id, head, body, logged: 0, until: Date.now() + head.timeoutMs, room: head.windowBytes }
    calls.set(head.requestId, call)
    const next = asking.shift()
    if (next) give(next, call)
    else waiting.push(call)
  } else if (frameKind === kind.room) {
    for (const call of calls.values())
      if (call.id === id) {
        call.room += payload.readUInt32BE(0)
        listen(call)
      }
  }
}

function load(payload) {
  const { head, body } = headed(payload)
  let at = 0
  for (const { path: name, bytes, executable } of head.files) {
    const file = path.join(root, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(file, body.subarray(at, at + bytes), { mode: executable ? 0o755 : 0o644 })
    at += bytes
  }
  loaded = head
  const server = http.createServer(answer)
  server.requestTimeout = 0
  server.keepAliveTimeout = 0
  server.listen(0, '127.0.0.1', () => {
    const env = {
      ...process.env,
      ...head.env,
      AWS_LAMBDA_RUNTIME_API: `127.0.0.1:${server.address().port}`,
      AWS_LAMBDA_FUNCTION_NAME: head.name,
      AWS_LAMBDA_FUNCTION_VERSION: String(head.version),
      AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(head.memoryMb),
      LAMBDA_TASK_ROOT: root,
      _HANDLER: head.handler ?? '',
    }
    child = spawn(path.join(root, head.entry), [], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.on('data', log)
    child.stderr.on('data', log)
    child.on('error', (error) => refuse(`the executable cannot be started: ${error.message}`))
    child.on('exit', (code, signal) => {
      refuse(`the executable ended (${signal ?? code}) before it asked for a call`)
      setTimeout(() => process.exit(code ?? 1), 50)
    })
  })
}

let ready = false

function refuse(message) {
  if (!ready) send(kind.refused, 0, JSON.stringify({ reason: 'load_failed', message }))
  ready = true
}

function log(data) {
  const [call] = calls.values()
  if (!call || call.logged > mostLogBytes) return
  call.logged += data.length
  send(kind.log, call.id, data)
}

function answer(request, response) {
  const [, verb, id] =
    /^\/2018-06-01\/runtime\/(?:invocation\/)?(next|([\w-]+)\/(?:response|error)|init\/error)$/.exec(request.url) ?? []
  if (verb === 'next') {
    if (!ready) send(kind.loaded, 0)
    ready = true
    const call = waiting.shift()
    if (call) give(response, call)
    else asking.push(response)
    return
  }
  const call = calls.get(id)
  if (verb !== 'init/error' && !call)
    return end(response, 400, { errorType: 'InvalidRequestID', errorMessage: 'there is no such call' })
  if (request.url.endsWith('/response') && request.headers['lambda-runtime-function-response-mode'] === 'streaming')
    return stream(request, response, call)
  const parts = []
  request.on('data', (part) => parts.push(part))
  request.on('end', () => {
    const body = Buffer.concat(parts)
    end(response, 202, { status: 'OK' })
    if (verb === 'init/error') return refuse(describe(body).message)
    calls.delete(id)
    if (request.url.endsWith('/error'))
      return send(kind.failed, call.id, JSON.stringify({ reason: 'error', ...describe(body) }))
    if (body.length > call.head.mostBytes)
      return send(
        kind.failed,
        call.id,
        JSON.stringify({
          reason: 'response_too_large',
          message: `the result has ${body.length} bytes, over ${call.head.mostBytes}`,
        }),
      )
    if (request.headers['content-type']?.startsWith('application/json') ?? true)
      return send(kind.result, call.id, body.length > 0 ? body : 'null')
    send(kind.head, call.id, JSON.stringify({ headers: [['content-type', request.headers['content-type']]] }))
    send(kind.end, call.id, body)
  })
}

/** What comes faster than it is taken is not read meanwhile. */
function listen(call) {
  if (!call.request) return
  if (call.room > 0 && !socket.writableNeedDrain) return void call.request.resume()
  call.request.pause()
  if (call.room > 0) drained().then(() => listen(call))
}

/** With a prelude of status and headers where its content type says so, ended by eight zero bytes. */
function stream(request, response, call) {
  const type = request.headers['content-type'] ?? 'application/octet-stream'
  let held = type === 'application/vnd.awslambda.http-integration-response' ? Buffer.alloc(0) : undefined
  if (!held) send(kind.head, call.id, JSON.stringify({ headers: [['content-type', type]] }))
  call.request = request
  request.on('data', (part) => {
    if (!held) {
      send(kind.chunk, call.id, part)
      flush()
      call.room -= part.length
      return listen(call)
    }
    held = Buffer.concat([held, part])
    const place = held.indexOf(Buffer.alloc(8))
    if (place < 0) return
    const { statusCode, headers = {}, cookies = [] } = JSON.parse(held.toString('utf8', 0, place))
    const pairs = [...Object.entries(headers), ...cookies.map((cookie) => ['set-cookie', cookie])]
    send(kind.head, call.id, JSON.stringify({ status: statusCode, headers: pairs }))
    if (held.length > place + 8) send(kind.chunk, call.id, held.subarray(place + 8))
    held = undefined
  })
  request.on('end', () => {
    calls.delete(call.head.requestId)
    const failed = request.trailers['lambda-runtime-function-error-body']
    if (failed)
      send(kind.failed, call.id, JSON.stringify({ reason: 'error', ...describe(Buffer.from(failed, 'base64')) }))
    else send(kind.end, call.id)
    end(response, 202, { status: 'OK' })
  })
}

function give(response, call) {
  const { requestId, traceparent } = call.head
  response.writeHead(200, {
    'content-type': 'application/json',
    'content-length': call.body.length,
    'lambda-runtime-aws-request-id': requestId,
    'lambda-runtime-deadline-ms': String(call.until),
    'lambda-runtime-invoked-function-arn': `arn:warren:lambda:local:${loaded.account}:function:${loaded.name}:${loaded.version}`,
    ...(traceparent ? { 'lambda-runtime-trace-id': traceparent } : {}),
  })
  response.end(call.body)
}

function end(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

function describe(body) {
  try {
    const { errorMessage, errorType, stackTrace } = JSON.parse(body.toString())
    return { message: String(errorMessage), type: errorType && String(errorType), stack: stackTrace?.join?.('\n') }
  } catch {
    return { message: body.toString().slice(0, 8192) }
  }
}

serve(take)
