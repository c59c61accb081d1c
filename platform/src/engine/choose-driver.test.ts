import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseDriver, type ProbedDriver } from './choose-driver.ts'
import type { Driver, Isolation } from './driver.ts'

const healthy = { healthy: true, reason: 'booted', bootMs: 1, disk: 'none' } as const

function probed(
  name: string,
  isolation: Isolation,
  more: { broken?: string; onlyByName?: boolean; gpu?: boolean } = {},
): ProbedDriver {
  const refuseGpu = () => (more.gpu ? undefined : 'the toolkit is missing')
  const driver = {
    ...{ name, isolation },
    ...(more.onlyByName ? { onlyByName: true } : {}),
    ...(more.gpu === undefined ? {} : { refuseGpu }),
  } as Driver
  return { driver, fingerprint: more.broken ? { healthy: false, reason: more.broken } : healthy }
}

const host = [
  probed('microvm', 'microvm', { broken: 'no guest boots on /dev/kvm' }),
  probed('oci/runc', 'container'),
  probed('namespaces', 'namespaces'),
  probed('unconfined', 'none', { onlyByName: true }),
]

test('the strongest healthy driver is taken, and the answer says why no stronger one was', () => {
  const { driver, passedOver } = chooseDriver(host, { min: 'namespaces' })
  assert.equal(driver.name, 'oci/runc')
  assert.deepEqual(passedOver, [{ driver: 'microvm', reason: 'no guest boots on /dev/kvm' }])
})

test('less than asked is never given: the error carries every reason', () => {
  assert.throws(
    () => chooseDriver(host, { min: 'userspace-kernel' }),
    (error: { code: string; details: { passedOver: object[] } }) => {
      assert.equal(error.code, 'unavailable')
      assert.equal(error.details.passedOver.length, 4)
      return true
    },
  )
})

test('no isolation is only given to those who name it', () => {
  const broken = host.map((row) => ({
    ...row,
    fingerprint: row.driver.onlyByName ? row.fingerprint : { healthy: false as const, reason: 'x' },
  }))
  assert.throws(() => chooseDriver(broken, { min: 'none' }), { code: 'unavailable' })
  assert.equal(chooseDriver(host, { min: 'none', driver: 'unconfined' }).driver.name, 'unconfined')
})

test('a driver that is named must still be as strong as asked', () => {
  assert.throws(() => chooseDriver(host, { min: 'container', driver: 'namespaces' }), { code: 'unavailable' })
  assert.equal(chooseDriver(host, { min: 'namespaces', driver: 'namespaces' }).driver.name, 'namespaces')
})

test('a GPU comes from a driver that gives one, and a stronger one that gives none is passed over', () => {
  const withGpu = probed('oci/runc', 'container', { gpu: true })
  const found = chooseDriver([probed('oci/runsc', 'userspace-kernel'), withGpu], { min: 'namespaces', gpu: true })
  assert.equal(found.driver.name, 'oci/runc')
  assert.deepEqual(found.passedOver, [{ driver: 'oci/runsc', reason: 'gives a sandbox no GPU' }])
  assert.throws(() => chooseDriver([withGpu], { min: 'userspace-kernel', gpu: true }), { code: 'unavailable' })
})

test('where no GPU is to be had, the error says what is missing', () => {
  const without = probed('oci/runc', 'container', { gpu: false })
  assert.throws(
    () => chooseDriver([without, probed('namespaces', 'namespaces')], { min: 'namespaces', gpu: true }),
    (error: { code: string; message: string; details: { passedOver: object[] } }) => {
      assert.equal(error.code, 'unavailable')
      assert.match(error.message, /with a GPU/)
      assert.deepEqual(error.details.passedOver[0], { driver: 'oci/runc', reason: 'the toolkit is missing' })
      return true
    },
  )
})
