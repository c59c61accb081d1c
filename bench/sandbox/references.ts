import { execFileSync, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HttpConnection } from '../measure/http-connection.ts'
import { Recorder, type Series } from '../measure/series.ts'

const echoServer = fileURLToPath(new URL('../measure/echo-server.ts', import.meta.url))

/** What the same machine takes, in the same minute, for the parts that no platform can save. */
export async function references(quick: boolean): Promise<Series[]> {
  return [await bareRoundTrip(quick ? 200 : 1000), await bareEcho(quick ? 10 : 50), ...(await bareRunc(quick ? 5 : 20))]
}

async function bareRoundTrip(times: number): Promise<Series> {
  const child = fork(echoServer, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
  const [line] = (await once(child.stdout!, 'data')) as [Buffer]
  const connection = await HttpConnection.open(line.toString().trim().slice('ready '.length), undefined)
  const recorder = new Recorder()
  for (let index = 0; index < times; index++)
    await recorder.time(() => connection.request('POST', '/', { hello: true }))
  connection.close()
  child.disconnect()
  return recorder.series('reference: node:http round trip')
}

/** How often a shell runs `echo` for one time: its own start is then a small part. */
const echoes = 20

/** A process that is started, says something and is waited for, by the smallest program that can. */
async function bareEcho(times: number): Promise<Series> {
  const script = `i=0; while [ $i -lt ${echoes} ]; do /bin/echo hello; i=$((i+1)); done`
  const recorder = new Recorder()
  for (let index = 0; index < times; index++) {
    const startedAt = performance.now()
    const [code] = await once(spawn('/bin/sh', ['-c', script], { stdio: 'ignore' }), 'close')
    if (code !== 0) throw new Error(`sh ended with ${code}`)
    recorder.add((performance.now() - startedAt) / echoes)
  }
  return recorder.series('reference: sh runs echo')
}

/** `runc run` of `true` in the smallest bundle: the host's /usr read-only and nothing else. */
async function bareRunc(times: number): Promise<Series[]> {
  try {
    execFileSync('runc', ['--version'])
  } catch {
    return []
  }
  const bundle = mkdtempSync(join(tmpdir(), 'warren-bench-runc-'))
  try {
    writeBundle(bundle)
    const recorder = new Recorder()
    for (let index = 0; index < times; index++)
      await recorder.time(() => runOnce(bundle, `warren-bench-${process.pid}-${index}`))
    return [recorder.series('reference: bare runc run of true')]
  } finally {
    rmSync(bundle, { recursive: true, force: true })
  }
}

function writeBundle(bundle: string): void {
  mkdirSync(join(bundle, 'rootfs'))
  const rootless = process.getuid?.() === 0 ? [] : ['--rootless']
  execFileSync('runc', ['spec', ...rootless], { cwd: bundle })
  const config = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8'))
  config.process.terminal = false
  config.process.args = ['/usr/bin/true']
  for (const path of ['/usr', '/lib', '/lib64']) {
    if (path !== '/usr' && (!existsSync(path) || lstatSync(path).isSymbolicLink())) continue
    config.mounts.push({ destination: path, type: 'bind', source: path, options: ['bind', 'ro'] })
  }
  // The loader is looked for in /lib64, which is a link into /usr on a merged system.
  for (const path of ['lib', 'lib64']) execFileSync('ln', ['-sfn', `usr/${path}`, join(bundle, 'rootfs', path)])
  config.root.readonly = false
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config))
}

async function runOnce(bundle: string, id: string): Promise<void> {
  const child = spawn('runc', ['--root', join(bundle, 'state'), 'run', '--bundle', bundle, id], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.on('data', (data) => {
    stderr += data
  })
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`runc ended with ${code}: ${stderr.slice(-300)}`)
}
