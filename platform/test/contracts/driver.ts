import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { after, before, describe, type TestContext, test } from 'node:test'
import type { Driver, DriverInstance, InstanceSpec, Isolation } from '../../src/engine/driver.ts'
import { isAtLeast } from '../../src/engine/driver.ts'
import { fingerprint } from '../../src/engine/fingerprint.ts'
import type { GuestClient } from '../../src/engine/guest/client.ts'
import type { Host } from '../../src/engine/host/host.ts'
import { InstanceStore } from '../../src/engine/instance-store.ts'
import { clientOf, eventually, firstInstance, runIn } from './driver-instance.ts'
import { type Bench, openBench } from './engine-bench.ts'
import { testSnapshots } from './snapshots.ts'

/** What a driver may lack, each with the reason that is printed when its cases are skipped. */
export interface Lacks {
  root?: string
  isolation?: string
  limits?: string
  /** Its programs make no calls to the kernel of the host. */
  hostKernel?: string
  /** Want of memory ends the sandbox as a whole: for the host's kernel it is one process. */
  ownKiller?: string
}

/** A driver made otherwise than the platform makes it on this host. */
export interface Variant {
  title: string
  make: (host: Host) => Driver
}

/** The promises every driver keeps. A new driver is done when this is green: docs/add-a-driver.md. */
export function testDriver(name: string, isolation: Isolation, lacks: Lacks = {}, variant?: Variant): void {
  describe(`driver ${name}${variant ? ` ${variant.title}` : ''}`, () => {
    let bench: Bench
    let driver: Driver
    let spec: InstanceSpec
    let instance: DriverInstance
    let guest: GuestClient
    let skip: string | undefined

    before(async () => {
      bench = await openBench()
      driver = variant?.make(bench.host) ?? bench.driver(name)
      const first = await firstInstance(bench, driver)
      if ('reason' in first) skip = first.reason
      else ({ spec, instance, guest } = first)
    })
    after(() => bench.close())

    const cases = (title: string, lack: string | undefined, run: (t: TestContext) => Promise<void>) =>
      test(title, async (t) => {
        const reason = lack ?? skip
        if (reason) return t.skip(reason)
        await run(t)
      })

    const run = (command: string, user?: string) => runIn(guest, command, user)
    // A kernel that is emulated on a busy machine takes its time.
    const startMs = isolation === 'microvm' ? 120_000 : 20_000

    cases('says how strong it is', undefined, async () => {
      assert.equal(driver.isolation, isolation)
    })

    cases('boots within its deadline and says so', undefined, async () => {
      const probe = await bench.newSpec(driver)
      const wanted = { deadlineMs: startMs, asked: true }
      const verdict = await fingerprint(driver, { spec: probe, dir: bench.store.dir(probe.id) }, wanted)
      assert.equal(verdict.healthy, true, verdict.reason)
    })

    cases('hands a connection to a program, whose descriptor it is, and to no other', undefined, async () => {
      const { name, pipe } = await guest.link()
      const program = `import socket, sys
platform = socket.socket(fileno=3)
while data := platform.recv(1 << 16): platform.sendall(data.upper())
sys.exit(5)`
      const process = await guest.exec({ argv: ['python3', '-c', program], link: name })
      const text = 'what goes in comes back '.repeat(20_000)
      const parts: Buffer[] = []
      let length = 0
      pipe.write(text)
      for await (const part of pipe) {
        parts.push(part)
        length += part.length
        if (length === text.length) pipe.end()
      }
      assert.equal(Buffer.concat(parts).toString(), text.toUpperCase())
      for await (const { data } of process.output()) assert.fail(data.toString())
      assert.equal((await process.exit).exitCode, 5)
      const again = { argv: ['true'], link: name }
      await assert.rejects(guest.exec(again), { code: 'not_found', message: /there is no such link/ })
      assert.equal((await run('ls /proc/self/fd')).stdout.trim(), '0\n1\n2\n3')
    })

    cases('runs a program and keeps its two outputs apart', undefined, async () => {
      const { stdout, stderr, exit } = await run('echo out; echo err >&2; exit 3')
      assert.deepEqual(
        { stdout, stderr, code: exit.exitCode, reason: exit.reason },
        {
          stdout: 'out\n',
          stderr: 'err\n',
          code: 3,
          reason: 'exited',
        },
      )
    })

    cases('tries a program out, of which nothing is kept', undefined, async () => {
      const known = async () => (await guest.processes()).map(({ id }) => id)
      const logged = async () => {
        let entries = 0
        for await (const _ of guest.logs()) entries++
        return entries
      }
      const before = [await known(), await logged()]
      const trial = await guest.exec({ argv: ['sh', '-c', 'echo tried; sleep 0.1'], trial: true })
      let said = ''
      for await (const { data } of trial.output()) {
        said += data
        assert.deepEqual(await known(), before[0], 'it is in no list while it runs')
      }
      assert.deepEqual([said, (await trial.exit).exitCode], ['tried\n', 0])
      assert.deepEqual([await known(), await logged()], before)
      const next = await guest.exec({ argv: ['true'] })
      assert.equal(Number(next.id), Math.max(0, ...(before[0] as string[]).map(Number)) + 1, 'it took no number')
      for await (const _ of next.output());
    })

    cases('writes, reads and lists files of its own', undefined, async () => {
      const path = '/tmp/contract.txt'
      await guest.files.write(path, Buffer.from('hello'))
      const { stream } = await guest.files.read(path)
      assert.equal(Buffer.concat(await stream.toArray()).toString(), 'hello')
      await guest.files.remove(path)
      await assert.rejects(guest.files.stat(path), { code: 'not_found' })
    })

    cases('has a user of its own and root', lacks.root, async () => {
      assert.match((await run('id -u')).stdout, /^1000$/m)
      assert.match((await run('id -u', 'root')).stdout, /^0$/m)
    })

    cases('hides the host: its processes, its files, its network', lacks.isolation, async () => {
      assert.ok(isAtLeast(driver.isolation, 'namespaces'))
      const pids = (await run('ls /proc')).stdout.split('\n').filter((entry) => /^\d+$/.test(entry))
      assert.ok(pids.length < 20, `sees ${pids.length} processes`)
      assert.equal((await run(`ls ${bench.home} 2>&1`)).exit.exitCode !== 0, true)
      assert.equal((await run('cat /etc/shadow 2>&1')).exit.exitCode !== 0, true)
      const interfaces = (await run('cat /proc/net/dev')).stdout.split('\n').filter((line) => line.includes(':'))
      assert.deepEqual(
        interfaces.map((line) => line.split(':', 1)[0]?.trim()),
        ['lo'],
      )
    })

    cases('gives nobody inside a number of the host', lacks.isolation ?? lacks.hostKernel, async () => {
      const status = await statusOnHost(guest)
      const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
      if (process.getuid?.() === 0) assert.ok(uid >= 0x2000_0000, `runs as host uid ${uid}`)
      assert.match(status, /^Seccomp:\s+2$/m)
      assert.match(status, /^NoNewPrivs:\s+1$/m)
    })

    cases('refuses what a kernel has been broken through', lacks.isolation ?? lacks.hostKernel, async () => {
      for (const attempt of [
        'unshare -U true',
        'mount -t tmpfs none /mnt',
        'dmesg',
        'echo x > /proc/sys/kernel/core_pattern',
      ]) {
        assert.notEqual((await run(`${attempt} 2>&1`)).exit.exitCode, 0, attempt)
      }
    })

    cases(
      'keeps its agent out of the reach of programs of the same user',
      lacks.isolation ?? lacks.hostKernel,
      async () => {
        assert.notEqual((await run('dd if=/proc/1/mem of=/dev/null bs=1 count=1 2>&1')).exit.exitCode, 0)
        assert.notEqual((await run('cat /proc/1/environ 2>&1')).exit.exitCode, 0)
        assert.notEqual((await run('prlimit --pid 1 --nofile=4:4 2>&1')).exit.exitCode, 0)
        assert.equal((await run('ulimit -n 64 && ulimit -n')).stdout, '64\n')
      },
    )

    cases(
      'refuses sockets that reach into the kernel and allows those of a network',
      lacks.isolation ?? lacks.hostKernel,
      async () => {
        const errno = async (domain: number, type: number, protocol: number) =>
          Number((await run(`perl -e 'print socket(my $s, ${domain}, ${type}, ${protocol}) ? 0 : $! + 0'`)).stdout)
        const { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK } = socketFamilies
        const [SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_PACKET] = [1, 2, 3, 10]
        const [NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_NETFILTER, NETLINK_KOBJECT_UEVENT] = [0, 4, 12, 15]
        const [IPPROTO_ICMP, IPPROTO_ICMPV6] = [1, 58]
        const EAFNOSUPPORT = 97
        for (const family of [AF_UNIX, AF_INET, AF_INET6]) {
          assert.equal(await errno(family, SOCK_STREAM, 0), 0)
          assert.equal(await errno(family, SOCK_DGRAM, 0), 0)
        }
        assert.equal(await errno(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), 0)
        assert.equal((await run('getent ahosts localhost')).exit.exitCode, 0)

        for (const protocol of [NETLINK_SOCK_DIAG, NETLINK_NETFILTER, NETLINK_KOBJECT_UEVENT])
          assert.equal(await errno(AF_NETLINK, SOCK_RAW, protocol), EAFNOSUPPORT, `netlink protocol ${protocol}`)
        assert.equal(await errno(AF_INET, SOCK_RAW, IPPROTO_ICMP), EAFNOSUPPORT)
        assert.equal(await errno(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), EAFNOSUPPORT)
        assert.notEqual(await errno(AF_INET, SOCK_PACKET, 768), 0)
        for (const family of [AF_PACKET, AF_VSOCK]) assert.equal(await errno(family, SOCK_RAW, 0), EAFNOSUPPORT)
      },
    )

    cases('kills what takes more memory than it may, and says why', lacks.limits, async (t) => {
      if (!bench.cgroups) return t.skip('no control groups can be made here, so nothing limits memory')
      const bomb = 'head -c 400m /dev/zero | tail | wc -c; exit 0'
      const own = await bench.newSpec(driver)
      const started = await driver.create(own, bench.store.dir(own.id), AbortSignal.timeout(startMs))
      try {
        const program = await clientOf(started).exec({ argv: ['/bin/sh', '-c', bomb] })
        const ended = await program
          .output()
          .next()
          .then(
            () => 'program',
            () => 'sandbox',
          )
        assert.ok(((await started.usage())?.oomKills ?? 0) > 0)
        assert.equal(ended, lacks.ownKiller ? 'sandbox' : 'program')
        assert.equal((await run('echo alive')).stdout, 'alive\n')
      } finally {
        await started.destroy()
      }
    })

    const tellsOwn = lacks.hostKernel ? undefined : 'the kernel is the one of the host, which tells its own memory'
    cases('tells programs how much memory they have', tellsOwn, async () => {
      const { stdout } = await run("awk '/^MemTotal:/ {print $2}' /proc/meminfo")
      const told = Number(stdout) / 1024
      const { memoryMb } = spec.limits
      // A machine has more than its programs may take together, and its kernel takes a part of that first.
      assert.ok(told > 0.6 * memoryMb && told < memoryMb + 64, `${stdout.trim()} kB of ${memoryMb} MiB`)
    })

    cases('stops a fork bomb at its limit and goes on', lacks.limits, async () => {
      const bomb = await guest.exec({ argv: ['/bin/sh', '-c', 'while :; do sleep 60 & done'] })
      bomb.detach()
      // What is counted inside leaves out the threads of the agent, which the limit includes.
      const counted = async () => (lacks.hostKernel ? undefined : await instance.usage())
      const processes = async () => ((await counted()) ?? (await guest.metrics())).processes
      await eventually(async () => assert.ok((await processes()) >= spec.limits.maxProcesses - 16))
      // A kernel of its own counts for each user: the agent is of another.
      const agents = lacks.hostKernel ? 16 : 0
      assert.ok((await processes()) <= spec.limits.maxProcesses + agents)
      const neighbour = await bench.newSpec(driver)
      const started = await driver.create(neighbour, bench.store.dir(neighbour.id), AbortSignal.timeout(startMs))
      assert.equal((await clientOf(started).exec({ argv: ['/bin/true'] })).pid > 0, true)
      await started.destroy()
      await guest.signal(bomb.id, 9)
      assert.equal((await eventually(() => run('echo alive'))).stdout, 'alive\n')
    })

    cases('fills its own disk and no more', lacks.limits, async () => {
      const { stderr } = await run('head -c 200m /dev/zero > /tmp/big')
      assert.match(stderr, /No space left/)
      for (const path of ['/tmp/big', '/dev/shm/big', '/dev/big', '/run/big', '/big']) {
        assert.notEqual((await run(`head -c 200m /dev/zero > ${path}`)).exit.exitCode, 0, path)
        await run(`rm -f ${path}`)
      }
    })

    cases('is taken up again by whoever comes next, its processes running', undefined, async () => {
      const process = await guest.exec({ argv: ['/bin/sleep', '60'], tag: 'before' })
      process.detach()
      const again = await driver.recover(spec, (await InstanceStore.open(bench.runDir)).dir(spec.id))
      assert.ok(again)
      const running = await clientOf(again).processes()
      assert.ok(running.some(({ tag, state }) => tag === 'before' && state === 'running'))
    })

    cases('rests before its last step when told to, and goes on when released', undefined, async () => {
      const own = await bench.newSpec(driver)
      const rest = Promise.withResolvers<void>()
      const { promise: released, resolve: release } = Promise.withResolvers<void>()
      const dir = bench.store.dir(own.id)
      const starting = driver.create(own, dir, AbortSignal.timeout(startMs), { prepared: rest.resolve, released })
      await rest.promise
      assert.equal((await readdir(dir.path)).includes('state.json'), false, 'it runs already')
      release()
      const started = await starting
      try {
        const program = await eventually(() => clientOf(started).exec({ argv: ['/bin/true'] }))
        for await (const _ of program.output());
        assert.equal((await program.exit).exitCode, 0)
      } finally {
        await started.destroy()
      }
    })

    cases('leaves nothing of a start that is given up while it rests', undefined, async () => {
      const own = await bench.newSpec(driver)
      const rest = Promise.withResolvers<void>()
      const givenUp = new AbortController()
      const hold = { prepared: rest.resolve, released: new Promise<void>(() => {}) }
      const starting = driver.create(own, bench.store.dir(own.id), givenUp.signal, hold)
      await rest.promise
      givenUp.abort(new Error('nobody wants it'))
      await assert.rejects(starting, /nobody wants it/)
      assert.deepEqual(await readdir(bench.store.dir(own.id).path), ['spec.json'])
      assert.deepEqual(await bench.processesOf(own.id), [])
      assert.equal((await bench.cgroups?.list())?.includes(own.id) ?? false, false)
    })

    cases('leaves nothing behind', undefined, async () => {
      await instance.destroy()
      await instance.exited
      assert.deepEqual(await readdir(bench.store.dir(spec.id).path), ['spec.json'])
      assert.deepEqual(await bench.processesOf(spec.id), [])
      assert.equal((await bench.cgroups?.list())?.includes(spec.id) ?? false, false)
      assert.equal(await driver.recover(spec, bench.store.dir(spec.id)), undefined)
    })
  })
  testSnapshots(`driver ${name}${variant ? ` ${variant.title}` : ''}`, (bench) =>
    variant ? variant.make(bench.host) : bench.driver(name),
  )
}

const socketFamilies = { AF_UNIX: 1, AF_INET: 2, AF_INET6: 10, AF_NETLINK: 16, AF_PACKET: 17, AF_VSOCK: 40 }

/** What the host's /proc says of a process inside. */
async function statusOnHost(guest: GuestClient): Promise<string> {
  const mark = `mark-${Math.random().toString(36).slice(2)}`
  const process = await guest.exec({ argv: ['/bin/sh', '-c', `sleep 5; : ${mark}`] })
  try {
    // It counts as started some moments before its arguments can be read.
    return await eventually(async () => {
      for (const name of await readdir('/proc')) {
        if (!/^\d+$/.test(name)) continue
        if ((await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).includes(mark))
          return await readFile(`/proc/${name}/status`, 'utf8')
      }
      throw new Error('the process is not to be found on the host')
    })
  } finally {
    await guest.signal(process.id, 9)
    process.detach()
  }
}
