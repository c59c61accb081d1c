import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { allowedWays, escapes } from './network/escape.ts'
import { addresses, fakeInternetLacks, openFakeInternet } from './network/fake-internet.ts'
import { type Platform, startPlatform } from './platform.ts'

const probe = join(import.meta.dirname, 'network/probe.py')
const gateway = '192.0.0.1'
const policy = { allow: ['allowed.example', '*.wild.example', '93.184.216.50:5432'] }
const toolsDir = join(import.meta.dirname, '../../.cache/tools')

const lacking = await fakeInternetLacks()
/** By the same program from a plain namespace, what each attempt does when nobody stops it. */
const works = new Map<string, boolean>()
const internet = lacking ? (undefined as never) : await openFakeInternet()
after(() => internet?.close())
const platform = lacking ? (undefined as never) : await startNetworked()

/** With the gVisor of the tests among its tools. */
async function startNetworked(): Promise<Platform> {
  const started = await startPlatform({
    WARREN_EGRESS_UPLINK: internet.uplink,
    WARREN_EGRESS_DNS: addresses.resolver,
  })
  await symlink(toolsDir, join(started.home, 'tools'))
  await started.kill('SIGTERM')
  await started.start()
  return started
}

for (const driver of ['oci/runsc', 'oci/runc', 'namespaces']) {
  describe(`nothing gets out of ${driver} but what is allowed`, { skip: lacking ?? false }, () => {
    let path: string | undefined
    let why: string | undefined

    before(async () => {
      const created = await platform.call('POST', '/v1/sandboxes', { isolation: { driver }, network: policy })
      const answer = await created.json()
      if (created.status === 503) why = JSON.stringify(answer.details?.passedOver?.[0] ?? answer.message)
      else path = `/v1/sandboxes/${answer.id}`
      if (path) await platform.call('PUT', `${path}/files?path=/tmp/probe.py`, readFileSync(probe))
    })

    for (const [technique, arrived] of Object.entries({ ...allowedWays, ...escapes })) {
      test(technique, async (t) => {
        if (!path) return t.skip(why)
        const expected = technique in allowedWays
        await internet.forget()
        const { stdout } = await platform.json('POST', `${path}/execute`, {
          command: ['/usr/bin/python3', '/tmp/probe.py', technique, gateway],
        })
        assert.equal(await arrived(internet), expected, stdout)
        if (!expected) {
          await worksInPlain(technique)
          assert.equal(works.get(technique), true, 'without a sandbox it does not get there either: it proves nothing')
        }
      })
    }
  })
}

async function worksInPlain(technique: string): Promise<void> {
  if (works.has(technique)) return
  await internet.forget()
  const { stdout } = await internet.plain(['/usr/bin/python3', probe, technique, addresses.resolver])
  works.set(technique, await escapes[technique]!(internet))
  if (!works.get(technique)) console.error(technique, stdout)
}
