import { chmodSync, rmSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { createServer, type Socket } from 'node:net'
import type { GatewayReply, GatewayRequest, Hello } from '../messages.ts'
import { Gateway } from './gateway.ts'

/**
 * The gateway's process: `main.ts VERSION UID FOLDER`, started by `warren-guest gateway` in that folder, where its control socket is
 * to be. It outlives the platform, as the sandboxes do. It has no right of root and writes no secret anywhere; an ordinary user has nobody else
 * to be than itself.
 */
const [version = '', uid = ''] = process.argv.slice(2)
const controlSocket = 'gateway.sock'

const gateway = new Gateway()
await gateway.open()
rmSync(controlSocket, { force: true })
const control = createServer(serve)
await new Promise<void>((resolve) => control.listen(controlSocket, resolve))
chmodSync(controlSocket, 0o600)
flushCompileCache() // while its folder may still be written to
if (process.getuid?.() === 0) {
  process.setgroups?.([])
  process.setgid?.(Number(uid))
  process.setuid?.(Number(uid))
}

function serve(socket: Socket): void {
  let text = ''
  socket.setEncoding('utf8')
  socket.on('error', () => {})
  socket.on('data', (chunk: string) => {
    const lines = (text + chunk).split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) socket.write(`${JSON.stringify(reply(JSON.parse(line) as GatewayRequest))}\n`)
  })
}

function reply(request: GatewayRequest): GatewayReply {
  try {
    return { id: request.id, answer: perform(request) }
  } catch (error) {
    return { id: request.id, error: (error as Error).message }
  }
}

function perform(request: GatewayRequest): unknown {
  switch (request.verb) {
    case 'hello':
      return { version, pid: process.pid } satisfies Hello
    case 'configure':
      return gateway.configure(request.settings, request.slots)
    case 'set':
      return gateway.set(request.slot, request.policy)
    case 'clear':
      return gateway.clear(request.slot)
    case 'status':
      return gateway.status(request.slot)
    case 'counters':
      return gateway.counters(request.slot)
  }
}
