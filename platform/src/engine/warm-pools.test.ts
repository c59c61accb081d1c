import assert from 'node:assert/strict'
import { test } from 'node:test'
import { until } from '../../test/platform.ts'
import { claimForecasts } from '../sandboxes/claim-forecast.ts'
import type { Driver, Limits } from './driver.ts'
import type { Instance } from './instance.ts'
import type { StartRequest } from './start-request.ts'
import { type PoolKind, WarmPools } from './warm-pools.ts'

const limits: Limits = { cpuCores: 1, memoryMb: 512, diskMb: 512, maxProcesses: 256, maxOpenFiles: 1024 }
const container = { name: 'oci/runc', isolation: 'container', idleMemoryMb: 1 } as Driver
const heavy = { name: 'oci/runsc', isolation: 'userspace-kernel', idleMemoryMb: 4 } as Driver
const fixed = { name: 'microvm/qemu', isolation: 'microvm', idleMemoryMb: 1, limitsAreFixed: true } as Driver
const unconfined = { name: 'unconfined', isolation: 'none', idleMemoryMb: 1 } as Driver

/** Pools whose members are started by nobody but counted. */
function open(size: number) {
  const started: PoolKind[] = []
  const gone: string[] = []
  const pools = new WarmPools({
    own: { template: 'base', size, limits, driver: async () => container },
    mark: ' network',
    forecast: claimForecasts(),
    start: async (kind) => {
      const id = `i${started.push(kind)}`
      return {
        id,
        driver: kind.driver,
        alive: true,
        answers: async () => true,
        onExit: () => {},
      } as unknown as Instance
    },
    discard: async ({ id }) => void gone.push(id),
    onFailure: assert.ifError,
    canAdapt: ({ limitsAreFixed }) => !limitsAreFixed,
  })
  return { pools, started, gone }
}

const request = (more: Partial<StartRequest>): StartRequest => ({
  owner: 's',
  template: 'base',
  limits,
  env: {},
  ...more,
})
const claim = (pools: WarmPools, wanted: StartRequest, driver: Driver) =>
  pools.asked(wanted, driver)?.claim(driver.name, async () => {})

test('a template that was asked for waits in a pool of its own from the next minute on, and as few as hold no more than the operator allows', async () => {
  const { pools, started, gone } = open(4)
  pools.fill()
  await until('the operator’s pool is full', () => pools.ready === 4)
  const debian = request({ template: 'debian' })
  assert.equal(await claim(pools, debian, container), undefined)
  assert.equal(pools.keeps(debian, container), false)
  for (let claims = 0; claims < 20; claims++) await claim(pools, debian, container)
  pools.foresee()
  await until('some of it wait', () => pools.ready > 4)
  assert.ok(pools.keeps(debian, container))
  const member = await claim(pools, debian, container)
  assert.equal(started[Number(member!.id.slice(1)) - 1]!.template, 'debian')
  assert.ok(!(await claim(pools, request({ template: 'debian' }), heavy)), 'another driver is another kind')

  for (let minute = 0; minute < 5; minute++) {
    for (let claims = 0; claims < 50; claims++) {
      pools.asked(debian, container)
      pools.asked(request({ template: 'debian' }), heavy)
      pools.asked(request({ limits: { ...limits, diskMb: 1024 } }), container)
    }
    pools.foresee()
    await until('what is foreseen is there', () => pools.ready >= 8)
    assert.equal(pools.ready, 8, 'four of the operator, and others that weigh as much as four')
  }
  for (let minute = 0; minute < 200 && pools.ready > 4; minute++) pools.foresee()
  assert.equal(pools.ready, 4, 'what nobody asks for any more goes')
  await pools.close()
  assert.equal(gone.length, started.length - 1, 'one was claimed')
})

test('what cannot wait for anybody has no pool, and what fits the operator’s pool comes from there', async () => {
  const { pools } = open(2)
  const none = [
    request({ cold: true }),
    request({ volumes: [{ id: 'v', path: '/v' }] }),
    request({ isolation: { gpu: true } }),
    request({ template: '.functions' }),
  ]
  for (const one of none) assert.equal(pools.asked(one, container), undefined, JSON.stringify(one))
  assert.equal(pools.asked(request({}), unconfined), undefined)
  const own = pools.asked(request({}), container)
  assert.equal(pools.asked(request({ limits: { ...limits, memoryMb: 64 } }), container), own, 'it is adapted')
  assert.notEqual(pools.asked(request({ limits: { ...limits, memoryMb: 64 } }), fixed), own, 'its limits stay')
  await pools.close()

  const { pools: off } = open(0)
  assert.equal(off.asked(request({}), container), undefined)
  off.foresee()
  assert.equal(off.ready, 0)
  await off.close()
})
