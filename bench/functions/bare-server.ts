import { spawn } from 'node:child_process'
import { once } from 'node:events'

const source = `require('node:http').createServer((request, response) => {
  const parts = []
  request.on('data', (part) => parts.push(part)).on('end', () => {
    const event = JSON.parse(Buffer.concat(parts))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ hello: event.name ?? 'world' }))
  })
}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`

/** What the same handler costs with nothing around it. */
export async function bareServer(): Promise<{ url: string; pid: number; stop: () => void }> {
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(child.stdout, 'data')
  return { url: `http://127.0.0.1:${String(port).trim()}`, pid: child.pid!, stop: () => void child.kill() }
}
