import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import vm from 'node:vm'
import { gunzipSync } from 'node:zlib'
import { prepare } from './cell.mjs'

const kind = { execute: 0x69, result: 0x6d, display: 0x6e }
const pieceBytes = 256 * 1024
const maxText = 128 * 1024
const maxDisplay = 8 * 1024 * 1024
const isTypeScript = process.env.WARREN_LANGUAGE === 'typescript'

/** A context of JavaScript: takes pieces of code from the service, one after the other, and keeps what they define. */
export async function serve(importFrom) {
  const control = new Socket({ fd: 3 })
  const displays = new Displays(control)
  let interrupt = () => {}
  let count = 0
  delete process.env.WARREN_LANGUAGE
  defineGlobals(importFrom, displays)
  process.on('SIGINT', () => interrupt())
  // What nobody waits for must not end the context.
  for (const event of ['uncaughtException', 'unhandledRejection'])
    process.on(event, (error) => process.stderr.write(`Uncaught ${traceback(error)}\n`))

  let held = Buffer.alloc(0)
  for await (const data of control) {
    held = Buffer.concat([held, data])
    while (held.length >= 5 && held.length >= 4 + held.readUInt32BE(0)) {
      const payload = held.subarray(5, 4 + held.readUInt32BE(0))
      const asked = held[4]
      held = held.subarray(4 + held.readUInt32BE(0))
      if (asked !== kind.execute) continue
      const interrupted = new Promise((_, reject) => {
        interrupt = () => reject(Object.assign(new Error('the code was interrupted'), { name: 'KeyboardInterrupt' }))
      })
      interrupted.catch(() => {})
      const result = await execute(payload, { displays, interrupted, number: ++count })
      control.write(frame(kind.result, fields(result)))
    }
  }
  process.exit(0)
}

async function execute(payload, { displays, interrupted, number }) {
  const { code, env } = read(payload)
  const before = Object.keys(env).map((name) => [name, process.env[name]])
  Object.assign(process.env, env)
  displays.open = true
  try {
    const { source, asynchronous, isValue } = prepared(code)
    const filename = `<cell ${number}>`
    const run = vm.runInThisContext(source, {
      filename,
      breakOnSigint: true,
      lineOffset: asynchronous ? -1 : 0,
      importModuleDynamically: vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    })
    let value = asynchronous ? (await Promise.race([run, interrupted]))?.[0] : run
    // The value of a piece of code is what its promise is worth.
    if (!asynchronous && isValue && value instanceof Promise) value = await Promise.race([value, interrupted])
    if (isValue && value !== undefined) {
      globalThis._ = value
      displays.show(value, true)
    }
    return [[1, 'completed']]
  } catch (error) {
    return raised(error)
  } finally {
    displays.open = false
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
}

function prepared(code) {
  return prepare(isTypeScript ? stripTypes(code) : code, isTypeScript ? undefined : stripTypes)
}

let amaro
function stripTypes(code) {
  if (!amaro) {
    const module = { exports: {} }
    const source = gunzipSync(readFileSync(fileURLToPath(new URL('./amaro.js.gz', import.meta.url)))).toString()
    vm.compileFunction(source, ['module', 'exports', 'require'])(module, module.exports, createRequire(import.meta.url))
    amaro = module.exports
  }
  try {
    return amaro.transformSync(code, { mode: 'transform', module: true }).code
  } catch (error) {
    throw new SyntaxError(error?.message ?? String(error))
  }
}

function raised(thrown) {
  const error = thrown?.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? { name: 'KeyboardInterrupt' } : thrown
  const isError = typeof error === 'object' && error !== null
  const name = isError ? String(error.name ?? error.constructor?.name ?? 'Error') : 'Error'
  const value = isError ? String(error.message ?? '') : text(error)
  return [
    [1, 'raised'],
    [3, cut(name)],
    [4, cut(value)],
    [5, cut(`${error === thrown ? traceback(error) : name}\n`)],
  ]
}

/** Without the frames of what runs the code. */
function traceback(error) {
  if (typeof error?.stack !== 'string') return text(error)
  const lines = error.stack.split('\n')
  const ours = lines.findIndex((line) => /node:vm|javascript\.mjs|\bcell\.mjs/.test(line))
  return (ours > 0 ? lines.slice(0, ours) : lines).join('\n')
}

class Displays {
  open = false
  #control

  constructor(control) {
    this.#control = control
  }

  show(value, main = false) {
    this.send(bundle(value), main)
  }

  send(data, main = false) {
    if (!this.open) return
    const packed = pack(data, main)
    for (let at = 0; at < packed.length; at += pieceBytes) {
      const more = at + pieceBytes < packed.length
      this.#control.write(
        frame(kind.display, Buffer.concat([Buffer.from([more ? 1 : 0]), packed.subarray(at, at + pieceBytes)])),
      )
    }
  }
}

/** All ways in which a value can be shown: its own, under the symbol that notebooks look for, then as text. */
function bundle(value) {
  const found = { 'text/plain': text(value) }
  try {
    const shown = value?.[Symbol.for('Jupyter.display')]
    if (typeof shown === 'function') return { ...found, ...shown.call(value) }
  } catch {}
  const isPlain = Array.isArray(value) || (typeof value === 'object' && value?.constructor === Object)
  if (isPlain) found['application/json'] = value
  return found
}

function pack(data, main) {
  const parts = []
  let bytes = 0
  for (const [mime, value] of Object.entries(data)) {
    try {
      const json = JSON.stringify(
        mime === 'text/plain' ? cut(String(value)) : Buffer.isBuffer(value) ? value.toString('base64') : value,
      )
      if (json === undefined || bytes + json.length > maxDisplay) continue
      bytes += json.length
      parts.push(`${JSON.stringify(mime)}:${json}`)
    } catch {} // what contains itself is told as text
  }
  return Buffer.from(`{"main":${main},"data":{${parts.join(',')}}}`)
}

function text(value) {
  try {
    return inspect(value, { depth: 4, maxArrayLength: 1000 })
  } catch {
    return 'a value that cannot be shown'
  }
}

function defineGlobals(importFrom, displays) {
  const define = (name, value) =>
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
  define('require', createRequire(`${process.cwd()}/`))
  define('display', (...values) => {
    for (const value of values) displays.show(value)
  })
  // `npm:` is how other interpreters write it: what is installed is found without.
  define('__warrenImport', (name) =>
    importFrom(
      String(name)
        .replace(/^npm:/, '')
        .replace(/^(@?[^@]+)@[^/]*/, '$1'),
    ),
  )
  define('__warrenMember', (module, name, source) => {
    if (name in module) return module[name]
    throw new SyntaxError(`The requested module '${source}' does not provide an export named '${name}'`)
  })
}

function read(payload) {
  const env = {}
  let code = ''
  for (let at = 0; at + 5 <= payload.length; ) {
    const [tag, length] = [payload[at], payload.readUInt32BE(at + 1)]
    const value = payload.subarray(at + 5, at + 5 + length).toString()
    if (tag === 2) code = value
    if (tag === 4) env[value.slice(0, value.indexOf('='))] = value.slice(value.indexOf('=') + 1)
    at += 5 + length
  }
  return { code, env }
}

function frame(type, payload) {
  const head = Buffer.alloc(5)
  head.writeUInt32BE(payload.length + 1)
  head[4] = type
  return Buffer.concat([head, payload])
}

function fields(pairs) {
  return Buffer.concat(
    pairs.flatMap(([tag, value]) => {
      const head = Buffer.alloc(5)
      head[0] = tag
      head.writeUInt32BE(Buffer.byteLength(value), 1)
      return [head, Buffer.from(value)]
    }),
  )
}

function cut(value) {
  return value.length <= maxText ? value : `${value.slice(0, maxText)}…`
}
