import { spawn } from 'node:child_process'
import { once } from 'node:events'

const source = `const body = Buffer.from(process.argv[1], 'base64')
require('node:http').createServer((request, response) => {
  response.setHeader('content-type', 'application/json; charset=utf-8')
  response.end(body)
}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`

/** A server that gives the same answer to everybody: what a request costs with nothing around it. */
export async function staticServer(body: Buffer): Promise<{ url: string; pid: number; stop: () => void }> {
  const child = spawn(process.execPath, ['-e', source, body.toString('base64')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [port] = await once(child.stdout, 'data')
  return { url: `http://127.0.0.1:${String(port).trim()}`, pid: child.pid!, stop: () => void child.kill() }
}
