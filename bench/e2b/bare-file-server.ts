import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const source = `const { createReadStream, createWriteStream } = require('node:fs')
const { pipeline } = require('node:stream')
require('node:http').createServer((request, response) => {
  if (request.method === 'GET') return pipeline(createReadStream(process.argv[1]), response, () => {})
  pipeline(request, createWriteStream(process.argv[1]), () => response.end())
}).listen(0, '127.0.0.1', function () { console.log(this.address().port) })`

/** A server that writes what comes to one file and answers with it: what a transfer costs with nothing around it. */
export async function bareFileServer(): Promise<{ url: string; stop: () => Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-bench-file-'))
  const child = spawn(process.execPath, ['-e', source, join(folder, 'large')], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [port] = await once(child.stdout, 'data')
  const stop = async () => {
    child.kill()
    await once(child, 'exit')
    await rm(folder, { recursive: true })
  }
  return { url: `http://127.0.0.1:${String(port).trim()}`, stop }
}
