import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import {
  bootRequests,
  pauseRequest,
  restoreRequests,
  resumeRequest,
  saveRequests,
  sendToFirecracker,
} from '../src/engine/drivers/microvm/firecracker.ts'
import { machineSize } from '../src/engine/drivers/microvm/machine.ts'

// No guest is booted here: what is sent is checked against the description that Firecracker publishes.
interface Description {
  paths: Record<string, Record<string, { parameters: { schema: { $ref: string } }[] }>>
  definitions: Record<string, object>
}

const descriptionFile = fileURLToPath(new URL('../../spec/vendor/firecracker.json', import.meta.url))
const parts = { kernel: 'vmlinux', initialFiles: 'initial.cpio', shown: 'shown.ext4', disk: 'disk.ext4' }
const size = machineSize({ cpuCores: 1.5, memoryMb: 512, diskMb: 64, maxProcesses: 64, maxOpenFiles: 64 })
const saved = { statePath: 'state', memoryPath: 'memory' }

let folder: string
let socketPath: string
let server: Server
const taken: string[] = []

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'warren-firecracker-'))
  socketPath = join(folder, 'api.sock')
  server = createServer(await describedApi())
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
})
after(async () => {
  server.close()
  await rm(folder, { recursive: true, force: true })
})

/** Takes what the description allows, and nothing else: not a field more than it names. */
async function describedApi(): Promise<Parameters<typeof createServer>[1]> {
  const { paths, definitions } = JSON.parse(await readFile(descriptionFile, 'utf8')) as Description
  const strict = Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => [name, { ...schema, additionalProperties: false }]),
  )
  const ajv = new Ajv({ allErrors: true }).addSchema({ $id: 'firecracker', definitions: strict })
  return async (request, response) => {
    const answer = (status: number, text = '') => response.writeHead(status).end(text)
    const described = Object.entries(paths).find(([path]) =>
      new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`).test(request.url ?? ''),
    )?.[1][request.method?.toLowerCase() ?? '']
    if (!described) return answer(400, 'no such request')
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    const validate = ajv.compile({ $ref: `firecracker${described.parameters[0]!.schema.$ref}` })
    if (!validate(body)) return answer(400, ajv.errorsText(validate.errors))
    taken.push(`${request.method} ${request.url}`)
    answer(204)
  }
}

test('every request to Firecracker is one that its published description allows', async () => {
  await sendToFirecracker(socketPath, bootRequests(parts, size, 'v.sock'))
  await sendToFirecracker(socketPath, saveRequests(saved))
  await sendToFirecracker(socketPath, restoreRequests(saved, 'v.sock'))
  await sendToFirecracker(socketPath, [pauseRequest, resumeRequest])
  assert.equal(taken[0], 'PUT /machine-config')
  assert.ok(taken.indexOf('PUT /actions') > taken.indexOf('PUT /drives/shown'))
  assert.equal(taken.length, 7 + 3 + 1 + 2)
})

test('what Firecracker refuses is told with its own words, and nothing more is sent', async () => {
  const before = taken.length
  const wrong = { method: 'PUT', path: '/actions', body: { action_type: 'Fly' } } as const
  await assert.rejects(sendToFirecracker(socketPath, [wrong, pauseRequest]), {
    code: 'unavailable',
    message: /PUT \/actions: 400 .*allowed values/,
  })
  assert.equal(taken.length, before)
  await assert.rejects(sendToFirecracker(join(folder, 'nobody.sock'), [pauseRequest]), { code: 'unavailable' })
})
