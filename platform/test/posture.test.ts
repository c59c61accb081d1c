import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startPlatform } from './platform.ts'

const platform = await startPlatform({ WARREN_ALLOW_UNCONFINED: 'yes' })
const { runtimes } = await platform.json('GET', '/v1/runtimes')

for (const { driver, isolation, healthy, reason } of runtimes) {
  test(`posture of ${driver}`, { skip: !healthy && reason }, async () => {
    const path = await platform.sandbox({ isolation: { driver } })
    const posture = await platform.json('GET', `${path}/posture`)
    assert.equal(posture.driver, driver)
    assert.ok(posture.processes > 0 && posture.threads >= posture.processes)
    const failed = posture.checks.filter(({ ok }: { ok: boolean }) => !ok)
    if (isolation !== 'none') assert.deepEqual(failed, [])
    else {
      // The checks can fail: where nothing is isolated, they say so.
      const names = failed.map(({ name }: { name: string }) => name)
      for (const name of ['no_new_privileges', 'seccomp', 'namespaces']) assert.ok(names.includes(name), name)
      assert.equal(posture.ok, false)
    }
    await platform.call('DELETE', path)
  })
}

test('the posture of an unknown sandbox is not found', async () => {
  assert.equal((await platform.call('GET', '/v1/sandboxes/s00000000000000000000/posture')).status, 404)
})
