import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { microvmDriver } from '../src/engine/drivers/microvm/driver.ts'
import { firecracker } from '../src/engine/drivers/microvm/firecracker.ts'
import { machineSize } from '../src/engine/drivers/microvm/machine.ts'
import { openBench } from './contracts/engine-bench.ts'
import { makeStandIn } from './stand-ins/firecracker.ts'

// The machines this is developed on run no guest on KVM: the stand-in judges each request by Firecracker's published
// description. Whole machines by the same stand-in: drivers-firecracker.test.ts.
const size = machineSize({ cpuCores: 1.5, memoryMb: 512, diskMb: 64, maxProcesses: 64, maxOpenFiles: 64 })
const plan = {
  size,
  parts: { kernel: '/k', initialFiles: '/i', shown: '/s', disk: '/d' },
  acceleration: 'kvm' as const,
  uid: 7,
  hasNetwork: true,
}
const saved = { statePath: '/state', heldMemory: { pid: 1, fd: 3 } }
const skip = existsSync('/usr/bin/python3') ? false : 'there is no /usr/bin/python3'

let folder: string
let program: string
let socketPath: string
let standIn: ChildProcess

before(async () => {
  if (skip) return
  folder = await mkdtemp(join(tmpdir(), 'warren-firecracker-'))
  program = await makeStandIn(folder)
})
after(async () => {
  standIn?.kill('SIGKILL')
  if (folder) await rm(folder, { recursive: true, force: true })
})

/** A fresh one. */
async function begin(): Promise<void> {
  standIn?.kill('SIGKILL')
  socketPath = join(folder, `${process.hrtime.bigint()}.sock`)
  standIn = spawn(program, ['--api-sock', socketPath, '--level', 'Error'], { stdio: 'inherit' })
  while (!existsSync(socketPath)) await new Promise((resolve) => setTimeout(resolve, 10))
}

/** Method, path and body, as they are handed to whoever sends them. */
function send(line: string): Promise<{ status: number; text: string }> {
  const [, method, path, body = ''] = /^(\S+) (\S+) ?(.*)$/.exec(line)!
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method: method!, path: path! }, async (answer) => {
      const text = Buffer.concat(await answer.toArray()).toString()
      resolve({ status: answer.statusCode!, text })
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function requestsOf(words: string[]): string[] {
  return words.flatMap((word, index) => (words[index - 1] === '--request' ? [word] : []))
}

test('every request that boots a machine is one that the published description allows', { skip }, async () => {
  await begin()
  const requests = requestsOf(firecracker.command('/opt/firecracker', plan))
  assert.deepEqual(
    requests.map((line) => line.split(' ', 2).join(' ')),
    [
      'PUT /machine-config',
      'PUT /boot-source',
      'PUT /drives/own',
      'PUT /drives/shown',
      'PUT /network-interfaces/net',
      'PUT /vsock',
      'PUT /entropy',
      'PUT /actions',
    ],
  )
  for (const line of requests.slice(0, -1)) assert.deepEqual(await send(line), { status: 204, text: '' }, line)
  assert.match((await send('GET /')).text, /"state":"Not started"/)
  // The kernel that they name is none here.
  const started = await send(requests.at(-1)!)
  assert.match(started.text, /\/proc\/self\/fd\/20/)
})

test('a machine that goes on is one request to a fresh monitor', { skip }, async () => {
  await begin()
  const [load, ...more] = requestsOf(firecracker.command('/opt/firecracker', { ...plan, saved }))
  assert.deepEqual(more, [])
  // It is understood, and fails at the files, which are not there.
  assert.match((await send(load!)).text, /\/proc\/self\/fd\/23/)
  await send('PUT /entropy {}')
  assert.match((await send(load!)).text, /only allowed on a fresh one/)
})

test('the stand-in refuses what Firecracker would: other fields, other values, another state', { skip }, async () => {
  await begin()
  for (const [line, why] of [
    ['PUT /machine-config {"vcpu_count":1}', /lacks mem_size_mib/],
    ['PUT /machine-config {"vcpu_count":33,"mem_size_mib":64}', /out of range/],
    ['PUT /machine-config {"vcpu_count":true,"mem_size_mib":64}', /no integer/],
    ['PUT /vsock {"guest_cid":3,"uds_path":"/v","name":"x"}', /unknown field name/],
    ['PUT /actions {"action_type":"Fly"}', /allowed values/],
    ['PUT /actions {"action_type":"InstanceStart"}', /without kernel/],
    ['PATCH /vm {"state":"Paused"}', /not possible/],
    ['PUT /snapshot/create {"snapshot_path":"s","mem_file_path":"m"}', /paused/],
    ['PUT /drives/own {"drive_id":"other","is_root_device":false}', /id in the path/],
    ['DELETE /vm', /./],
    ['PUT /nothing {}', /no request/],
  ] as const) {
    const { status, text } = await send(line)
    assert.ok(status >= 400, line)
    assert.match(text, why, line)
  }
})

test('the program is handed on by descriptor, and nothing in its command line is a path of the host', () => {
  const words = firecracker.command('/opt/firecracker', { ...plan, saved })
  const own = words.slice(words.indexOf('--') + 1)
  assert.deepEqual(own, ['/proc/self/fd/24', '--api-sock', '/run/api.sock', '--level', 'Error'])
  assert.ok(words.includes('24:/opt/firecracker'))
  for (const line of requestsOf(words)) assert.doesNotMatch(line, /"\/(?!proc\/self\/fd\/|run\/)/)
})

test('says why it is not used: no program, or a processor that runs no guests', { skip }, async (t) => {
  const bench = await openBench()
  t.after(() => bench.close())
  const examined = await bench.driver('microvm/firecracker').examine()
  if (!examined.usable) t.diagnostic(examined.reason)
  const without = microvmDriver(bench.host, { ...firecracker, find: async () => ({ missing: 'no such program' }) }, {})
  assert.deepEqual(await without.examine(), {
    usable: false,
    reason: bench.host.root ? 'no such program' : 'needs root, for a host user of its own for each machine',
  })
  const present = microvmDriver(bench.host, { ...firecracker, find: async () => ({ program, version: '1.0' }) }, {})
  const verdict = await present.examine()
  if (!verdict.usable)
    assert.match(verdict.reason, /needs a processor that runs guests: |needs root|there is no kernel/)
})
