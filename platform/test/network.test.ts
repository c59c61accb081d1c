import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { allowedWays, beginsAllowed, escapes } from './network/escape.ts'
import { addresses, fakeInternetLacks, openFakeInternet, type Seen } from './network/fake-internet.ts'
import { ordinaryUser, startNetworked } from './network/networked.ts'

const probe = join(import.meta.dirname, 'network/probe.py')
const gateway = '192.0.0.1'
const policy = { allow: ['allowed.example', '*.wild.example', '93.184.216.50:5432'] }

const lacking = await fakeInternetLacks()
/** By the same program from a plain namespace, what each attempt does when nobody stops it. */
const works = new Map<string, boolean>()
/** The fake internet's own ends of its cables. */
const ownEnds = ['203.0.113.1', '203.0.113.2', '203.0.113.6']
const internet = lacking ? (undefined as never) : await openFakeInternet()
const platform = lacking ? (undefined as never) : await startNetworked(internet)
// After the platform, which may stand in it.
after(() => internet?.close())

for (const driver of ordinaryUser ? ['namespaces'] : ['oci/runsc', 'oci/runc', 'namespaces']) {
  describe(`nothing gets out of ${driver} but what is allowed`, { skip: lacking ?? false }, () => {
    let path = ''
    let why: string | undefined
    let together: { seen: Seen; output: string }

    before(async () => {
      const created = await platform.call('POST', '/v1/sandboxes', { isolation: { driver }, network: policy })
      const answer = await created.json()
      if (created.status === 503) {
        why = JSON.stringify(answer.details?.passedOver ?? answer.message)
        return
      }
      path = `/v1/sandboxes/${answer.id}`
      await platform.call('PUT', `${path}/files?path=/tmp/probe.py`, readFileSync(probe))
      together = await attempt('together', ...Object.keys(escapes).filter((name) => !beginsAllowed.includes(name)))
    })
    after(async () => void (path && (await platform.call('DELETE', path))))

    const attempt = async (technique: string, ...more: string[]) => {
      await internet.forget()
      const command = ['/usr/bin/python3', '/tmp/probe.py', technique, gateway, ...more]
      const { stdout, stderr } = await platform.json('POST', `${path}/execute`, { command, timeout: 120 })
      return { seen: await internet.seen(), output: stdout + stderr }
    }

    for (const [technique, arrived] of Object.entries(allowedWays)) {
      test(technique, async (t) => {
        if (why) return t.skip(why)
        const { seen, output } = await attempt(technique)
        assert.ok(arrived(seen), output)
      })
    }

    test('of all attempts together nothing arrives but questions for allowed names', (t) => {
      if (why) return t.skip(why)
      const { seen, output } = together
      for (const technique of Object.keys(escapes))
        assert.ok(beginsAllowed.includes(technique) || output.includes(`${technique} :`), technique)
      const others = seen.arrivals.filter(({ address }) => !ownEnds.includes(address))
      assert.deepEqual(
        others.filter(({ address, protocol, port }) => `${protocol} ${address} ${port}` !== 'udp 8.8.8.8 53'),
        [],
        output,
      )
      const names = seen.events.filter(({ kind }) => kind === 'question').map(({ name }) => name!)
      // What an earlier sandbox asked for is remembered: there may be none.
      assert.ok(
        names.every((name) => /^allowed\.example$|\.wild\.example$/.test(name)),
        `${names}`,
      )
    })

    for (const [technique, arrived] of Object.entries(escapes)) {
      test(technique, async (t) => {
        if (why) return t.skip(why)
        const { seen, output } = beginsAllowed.includes(technique) ? await attempt(technique) : together
        // What the gateway itself asks the resolver is to be seen there too.
        const arrivals = seen.arrivals.filter(({ address, port }) => address !== addresses.resolver || port !== 53)
        assert.equal(arrived({ ...seen, arrivals }), false, output)
        assert.equal(await worksInPlain(technique), true, 'outside of a sandbox it does not arrive either')
      })
    }
  })
}

/** Tells by the same program in a plain namespace whether an attempt arrives when nobody stops it. */
async function worksInPlain(technique: string): Promise<boolean> {
  if (!works.has(technique)) {
    await internet.forget()
    await internet.plain(['/usr/bin/python3', probe, technique, addresses.resolver])
    works.set(technique, escapes[technique]!(await internet.seen()))
  }
  return works.get(technique)!
}
