import assert from 'node:assert/strict'
import { access, mkdir, readdir, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Driver, DriverInstance, InstanceSpec, SnapshotSource } from '../../src/engine/driver.ts'
import { snapshotParts } from '../../src/engine/driver.ts'
import { giveIdentity } from '../../src/engine/give-identity.ts'
import type { GuestClient } from '../../src/engine/guest/client.ts'
import { clientOf, eventually, firstInstance, runIn } from './driver-instance.ts'
import { type Bench, openBench } from './engine-bench.ts'

const start = () => AbortSignal.timeout(20_000)

/**
 * Counts in memory, has a socket pair inside open, a listener, a second thread and a file that no name leads to: what a
 * memory snapshot must bring along. Each count goes to a file that is written and one that is mapped, so that one is missing
 * there if the files are not of the moment of the memory. Answers on port 7000 with all of it and the next random bytes of the kernel's.
 */
const program = `
import mmap, os, random, socket, struct, threading, time
count = 0
ticks = os.open('/tmp/ticks', os.O_WRONLY | os.O_CREAT | os.O_APPEND)
with open('/tmp/shared', 'wb') as made: made.truncate(1 << 20)
shared = mmap.mmap(os.open('/tmp/shared', os.O_RDWR), 1 << 20)
kept = open('/tmp/kept', 'w+'); kept.write('open file'); kept.flush()
left, right = socket.socketpair(); left.sendall(b'in flight')
def tick():
    global count
    while True:
        count += 1
        struct.pack_into('I', shared, 4 * count, count)
        os.write(ticks, b'%d\\n' % count)
        time.sleep(0.002)
threading.Thread(target=tick, daemon=True).start()
server = socket.socket(); server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(('127.0.0.1', 7000)); server.listen(8)
while True:
    client, _ = server.accept()
    kept.seek(0)
    client.sendall(repr((count, os.getpid(), kept.read(), right.recv(64, socket.MSG_PEEK).decode(), os.urandom(8).hex(), time.time())).encode())
    client.close()
`

/** Prints how many counts are in the file that is written, and whether none is missing before them in either. */
const compare = `
import struct
ticks = open('/tmp/ticks').read().split()
shared = struct.unpack(f'{len(ticks)}I', open('/tmp/shared', 'rb').read(4 * (len(ticks) + 1))[4:])
print(len(ticks), all(int(ticks[i]) == i + 1 == shared[i] for i in range(len(ticks))))
`

interface Answer {
  count: number
  pid: number
  file: string
  inFlight: string
  random: string
  clockMs: number
}

/** What a driver promises of standing still, being saved and brought back, by its own `capabilities()`. */
export function testSnapshots(title: string, driverOf: (bench: Bench) => Driver): void {
  describe(`${title}: pause and snapshots`, () => {
    let bench: Bench
    let driver: Driver
    let unusable: string | undefined
    let instance: DriverInstance
    let spec: InstanceSpec
    let guest: GuestClient

    before(async () => {
      bench = await openBench()
      driver = driverOf(bench)
      const first = await firstInstance(bench, driver)
      if ('reason' in first) unusable = first.reason
      else ({ spec, instance, guest } = first)
    })
    after(() => bench.close())

    const cases = (name: string, lack: () => string | undefined, run: (t: TestContext) => Promise<void>) =>
      test(name, async (t) => {
        const reason = unusable ?? lack()
        return reason ? t.skip(reason) : run(t)
      })
    const noPause = () => absent(driver.capabilities().pause)
    const noSnapshot = () => absent(driver.capabilities().snapshot)
    const noMemory = () => {
      const { snapshot } = driver.capabilities()
      return 'keeps' in snapshot && snapshot.keeps === 'files' ? 'its snapshots hold the files alone' : noSnapshot()
    }
    const noFiles = () => {
      const { snapshot } = driver.capabilities()
      return 'keeps' in snapshot && snapshot.keeps === 'memory' ? 'its snapshots hold memory too' : noSnapshot()
    }

    const take = async (hold = false): Promise<SnapshotSource> => {
      const path = join(bench.home, `snapshot-${Math.random().toString(36).slice(2)}`)
      await mkdir(path)
      const { goesOn, ...saved } = await instance.snapshot!(path, { hold }, start())
      await goesOn
      return { path, slot: spec.slot, ...saved }
    }
    const bringBack = async (source: SnapshotSource) => {
      const own = await bench.newSpec(driver)
      const restored = await driver.restore!(own, bench.store.dir(own.id), source, start())
      return { own, restored, guest: clientOf(restored) }
    }

    cases(
      'says with a sentence what it cannot',
      () => undefined,
      async () => {
        const { pause, snapshot } = driver.capabilities()
        for (const promise of [pause, snapshot]) if ('absent' in promise) assert.match(promise.absent, /\w+ \w+/)
        assert.equal('absent' in pause, instance.pause === undefined)
        assert.equal('absent' in snapshot, instance.snapshot === undefined)
      },
    )

    cases('stands still and goes on', noPause, async () => {
      const ticking = await guest.exec({ argv: ['/bin/sh', '-c', 'while :; do echo; sleep 0.01; done'] })
      const written = async () => {
        const from = await guest.attach(ticking.id, { fromEnd: true })
        const first = await from.output().next()
        from.detach()
        return first.done === false ? first.value.offset : 0
      }
      const before = await written()
      await instance.pause!()
      const late = guest.ping(AbortSignal.timeout(200))
      await assert.rejects(late)
      await instance.resume!()
      await eventually(async () => assert.ok((await written()) > before))
      await guest.signal(ticking.id, 9)
      ticking.detach()
    })

    cases('ends although it stands still', noPause, async () => {
      const own = await bench.newSpec(driver)
      const other = await driver.create(own, bench.store.dir(own.id), start())
      await other.pause!()
      await other.destroy()
      assert.deepEqual(await readdir(bench.store.dir(own.id).path), ['spec.json'])
      assert.equal((await bench.cgroups?.list())?.includes(own.id) ?? false, false)
    })

    cases('goes on when whoever stopped it is gone', noPause, async () => {
      await instance.pause!()
      const again = await driver.recover(spec, bench.store.dir(spec.id))
      assert.ok(again)
      await clientOf(again).ping(AbortSignal.timeout(20_000))
    })

    cases('brings the files back, and they are its own there', noFiles, async () => {
      await runIn(
        guest,
        'echo saved > $HOME/saved; mkdir -p $HOME/d; ln $HOME/saved $HOME/d/linked; chmod 600 $HOME/saved',
      )
      const source = await take()
      assert.equal(source.token, undefined)
      await runIn(guest, 'echo later > $HOME/saved')
      const { restored, guest: copy } = await bringBack(source)
      const { stdout } = await runIn(
        copy,
        'cat $HOME/saved $HOME/d/linked; stat -c "%u %a" $HOME/saved $HOME; touch $HOME/new && echo mine',
      )
      assert.equal(stdout, 'saved\nsaved\n1000 600\n1000 755\nmine\n')
      assert.equal((await runIn(guest, 'cat $HOME/saved')).stdout, 'later\n')
      await restored.destroy()
    })

    describe('with memory', () => {
      let source: SnapshotSource
      let at: Answer
      let takenAt: number

      const ask = async (client: GuestClient): Promise<Answer> => {
        const { stdout } = await runIn(
          client,
          `python3 -c "import socket; s = socket.create_connection(('127.0.0.1', 7000)); print(s.recv(4096).decode())"`,
        )
        const match = /^\((\d+), (\d+), '(.*)', '(.*)', '(.*)', ([\d.]+)\)/.exec(stdout)
        assert.ok(match, stdout)
        const [, count, pid, file, inFlight, random, clock] = match
        return {
          count: Number(count),
          pid: Number(pid),
          file: file!,
          inFlight: inFlight!,
          random: random!,
          clockMs: Number(clock) * 1000,
        }
      }

      cases('goes on itself when it was saved', noMemory, async (t) => {
        if ((await runIn(guest, 'command -v python3')).exit.exitCode !== 0)
          return t.skip('there is no python3 to be saved')
        await guest.configure({ env: { NAME: 'source' } })
        const server = await guest.exec({ argv: ['python3', '-c', program], tag: 'server' })
        server.detach()
        at = await eventually(() => ask(guest))
        const taking = take()
        await sleep(5)
        // Who comes meanwhile waits, and is not refused.
        assert.equal((await runIn(guest, 'echo came meanwhile')).stdout, 'came meanwhile\n')
        source = await taking
        takenAt = Date.now()
        assert.ok(source.token)
        const now = await eventually(() => ask(guest))
        assert.equal(now.pid, at.pid)
        assert.ok(now.count > at.count)
        assert.equal(
          (await guest.processes()).some(({ tag, state }) => tag === 'server' && state === 'running'),
          true,
        )
      })

      cases('copies go on from the same point, each for itself, while the source does', noMemory, async (t) => {
        if (!source) return t.skip('nothing was saved')
        await runIn(guest, 'echo source > /tmp/after')
        await sleep(1100)
        const copies = await Promise.all([bringBack(source), bringBack(source)])
        const answers = await Promise.all(
          copies.map(async ({ guest: copy }) => ({ ...(await eventually(() => ask(copy))), askedAt: Date.now() })),
        )
        for (const { guest: copy } of copies) {
          const { stdout } = await runIn(copy, `python3 -c "${compare}"`)
          assert.match(stdout, /^\d+ True$/m)
          assert.ok(Number.parseInt(stdout, 10) >= at.count)
        }
        for (const { pid, count, file, inFlight, clockMs, askedAt } of answers) {
          assert.deepEqual({ pid, file, inFlight }, { pid: at.pid, file: 'open file', inFlight: 'in flight' })
          assert.ok(count >= at.count)
          assert.ok(Math.abs(clockMs - askedAt) < 10_000 && clockMs > takenAt, "the clock is the host's")
        }
        const boots = [guest]
        for (const { guest: copy } of copies) {
          await giveIdentity(copy, { isCopy: true })
          boots.push(copy)
        }
        const bootIds = await Promise.all(boots.map((one) => bootIdOf(one)))
        for (const id of bootIds) assert.match(id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/)
        assert.equal(new Set(bootIds).size, 3, 'no copy says that it is the boot of another')
        const streams = [...answers, await ask(guest)].map(({ random }) => random)
        assert.equal(new Set(streams).size, 3)
        const [one, two] = copies.map(({ guest: copy }) => copy)
        await runIn(one!, 'echo one > /tmp/after')
        assert.notEqual((await runIn(two!, 'cat /tmp/after')).exit.exitCode, 0)
        assert.equal(
          (await runIn(two!, 'stat -c %u /home/user; touch /home/user/x && echo mine')).stdout,
          '1000\nmine\n',
        )
        assert.equal((await runIn(guest, 'cat /tmp/after')).stdout, 'source\n')
        // Its kernel counts from where it was, the host from its own start.
        for (const { restored } of copies) assert.ok(((await restored.usage())?.memoryBytes ?? 1) > 0)
        await Promise.all(copies.map(({ restored }) => restored.destroy()))
        for (const { own } of copies) assert.deepEqual(await readdir(bench.store.dir(own.id).path), ['spec.json'])
      })

      cases('copies are made while memory is saved, and begin when it is there or not at all', noMemory, async (t) => {
        if (!source) return t.skip('nothing was saved')
        for (const isSaved of [true, false]) {
          const path = join(bench.home, `early-${isSaved}`)
          await mkdir(path)
          const own = await bench.newSpec(driver)
          const memory = Promise.withResolvers<void>()
          memory.promise.catch(() => {})
          const prepared = Promise.withResolvers<void>()
          let copy: Promise<DriverInstance> | undefined
          const diskIsCopied = (token: string) => {
            const hold = { prepared: prepared.resolve, released: memory.promise }
            const early = { path, slot: spec.slot, token, kept: [] }
            copy = driver.restore!(own, bench.store.dir(own.id), early, start(), hold)
            copy.catch(() => {})
          }
          const { goesOn } = await instance.snapshot!(path, { hold: false, diskIsCopied }, start())
          await goesOn
          if (!copy) return t.skip(`${driver.name} tells nothing before all is saved`)
          await Promise.race([prepared.promise, copy])
          if (isSaved) {
            memory.resolve()
            const restored = await copy
            assert.equal((await eventually(() => ask(clientOf(restored)))).pid, at.pid)
            assert.match((await runIn(clientOf(restored), `python3 -c "${compare}"`)).stdout, /^\d+ True$/m)
            await restored.destroy()
          } else {
            memory.reject(new Error('the memory could not be saved'))
            await assert.rejects(copy, /could not be saved/)
          }
          assert.deepEqual(await readdir(bench.store.dir(own.id).path), ['spec.json'])
          assert.deepEqual(await bench.processesOf(own.id), [])
          assert.equal((await bench.cgroups?.list())?.includes(own.id) ?? false, false)
        }
      })

      cases('files are those of the memory where they take longer than it, too', noMemory, async (t) => {
        if (!source) return t.skip('nothing was saved')
        if (driver.isolation === 'microvm') return t.skip('a machine stands still until its disk is copied')
        const large = await bench.newSpec(driver, { diskMb: 1024 })
        const other = await driver.create(large, bench.store.dir(large.id), start())
        const client = clientOf(other)
        const server = await client.exec({ argv: ['python3', '-c', program] })
        server.detach()
        await runIn(client, 'head -c 500M /dev/zero | tr "\\0" x > /home/user/large')
        const before = await eventually(() => ask(client))
        const path = join(bench.home, 'large')
        await mkdir(path)
        const { goesOn, ...saved } = await other.snapshot!(path, { hold: false }, start())
        await goesOn
        const { restored, guest: copy } = await bringBack({ path, slot: large.slot, ...saved })
        const { stdout } = await runIn(copy, `python3 -c "${compare}"; wc -c < /home/user/large`)
        assert.match(stdout, /^\d+ True\n524288000\n$/)
        assert.ok(Number.parseInt(stdout, 10) >= before.count)
        for (const one of [copy, client]) assert.ok((await eventually(() => ask(one))).count > before.count)
        await Promise.all([restored.destroy(), other.destroy()])
      })

      cases('ends and comes back in its own place, its memory on disk meanwhile', noMemory, async (t) => {
        if (!source) return t.skip('nothing was saved')
        const before = await ask(guest)
        const boot = await bootIdOf(guest)
        const dir = bench.store.dir(spec.id)
        const held = await take(true)
        await instance.destroy([snapshotParts.disk])
        assert.deepEqual((await readdir(dir.path)).sort(), ['disk.img', 'spec.json'])
        assert.deepEqual(await bench.processesOf(spec.id), [])
        const cut = { ...held, path: join(bench.home, 'nothing'), kept: ['disk.img', 'claimed'] }
        await writeFile(join(dir.path, 'claimed'), '')
        await assert.rejects(driver.restore!(spec, dir, cut, start()))
        assert.deepEqual((await readdir(dir.path)).sort(), ['claimed', 'disk.img', 'spec.json'])
        instance = await driver.restore!(spec, dir, { ...held, kept: cut.kept }, start())
        guest = clientOf(instance)
        const now = await eventually(() => ask(guest))
        assert.equal(now.pid, before.pid)
        assert.ok(now.count >= before.count)
        assert.equal(await bootIdOf(guest), boot, 'it is the same boot')
        assert.equal((await runIn(guest, 'cat /tmp/after')).stdout, 'source\n')
      })

      cases('refuses a memory that is cut off, and leaves nothing', noMemory, async (t) => {
        if (!source) return t.skip('nothing was saved')
        const memory = join(source.path, snapshotParts.memory)
        for (const name of await readdir(memory)) await truncate(join(memory, name), 100)
        const own = await bench.newSpec(driver)
        await assert.rejects(driver.restore!(own, bench.store.dir(own.id), source, start()), /ended at once: .*\w/)
        assert.deepEqual(await bench.processesOf(own.id), [])
      })

      cases('goes on when saving fails midway', noMemory, async () => {
        // The runtime finds its file there already, when everything stands still.
        const path = join(bench.home, 'not-empty')
        for (const name of ['checkpoint.img', 'state'])
          await mkdir(join(path, snapshotParts.memory, name), { recursive: true })
        await assert.rejects(instance.snapshot!(path, { hold: false }, start()), /checkpoint|state/)
        await guest.ping(AbortSignal.timeout(20_000))
        assert.equal((await runIn(guest, 'echo alive')).stdout, 'alive\n')
        const gone = AbortSignal.abort(new Error('the caller went away'))
        const empty = join(bench.home, 'empty')
        await mkdir(empty)
        await assert.rejects(instance.snapshot!(empty, { hold: false }, gone))
        await guest.ping(AbortSignal.timeout(20_000))
        await assert.rejects(access(join(empty, snapshotParts.disk)))
      })
    })
  })
}

async function bootIdOf(guest: GuestClient): Promise<string> {
  return (await runIn(guest, 'cat /proc/sys/kernel/random/boot_id')).stdout
}

function absent(promise: object): string | undefined {
  return 'absent' in promise ? String(promise.absent) : undefined
}
