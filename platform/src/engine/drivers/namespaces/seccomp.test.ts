import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seccomp } from '../oci/seccomp.ts'
import { refusedCalls } from './refused-calls.ts'
import { seccompProgram } from './seccomp.ts'

const machines = {
  x64: { audit: 0xc000003e, mount: 165, clone: 56, socket: 41, ioctl: 16, read: 0 },
  arm64: { audit: 0xc00000b7, mount: 40, clone: 220, socket: 198, ioctl: 29, read: 63 },
}
const allowed = 'allowed'
const [eperm, enosys, eafnosupport] = [1, 38, 97]

test('refuses by name what the container rung refuses', () => {
  const { syscalls } = seccomp() as { syscalls: { names: string[]; args?: unknown; errnoRet: number }[] }
  const ofContainers = syscalls
    .filter(({ args, errnoRet }) => !args && errnoRet === eperm)
    .flatMap(({ names }) => names)
  // Of 32-bit processors, where the filter refuses everything.
  const elsewhere = ['stime', 'umount', 'vm86', 'vm86old']
  const missing = ofContainers.filter((name) => !(name in refusedCalls) && !elsewhere.includes(name))
  assert.deepEqual(missing, [])
})

for (const arch of ['x64', 'arm64'] as const) {
  const { audit, mount, clone, socket, ioctl, read } = machines[arch]
  const run = (number: number, ...args: number[]) => interpret(seccompProgram(arch)!, audit, number, args)

  test(`${arch}: refuses calls by number and lets the others through`, () => {
    assert.equal(run(read), allowed)
    assert.equal(run(mount), eperm)
    assert.equal(run(435), enosys, 'clone3')
    assert.equal(run(clone, 0x11), allowed)
    assert.equal(run(clone, 0x10000011), eperm, 'CLONE_NEWUSER')
    assert.equal(run(ioctl, 0, 0x5401), allowed)
    assert.equal(run(ioctl, 0, 0x5412), eperm, 'TIOCSTI')
    assert.equal(run(ioctl, 0, 0x541c), eperm, 'TIOCLINUX')
  })

  test(`${arch}: allows sockets of four families, raw ones and other netlink protocols not`, () => {
    const [stream, datagram, raw, packet, flags] = [1, 2, 3, 10, 0x80800]
    for (const family of [1, 2, 10]) {
      assert.equal(run(socket, family, stream | flags, 0), allowed)
      assert.equal(run(socket, family, datagram, 0), allowed)
    }
    for (const family of [2, 10]) {
      assert.equal(run(socket, family, raw | flags, 1), eafnosupport)
      assert.equal(run(socket, family, packet, 768), eafnosupport)
    }
    assert.equal(run(socket, 16, raw | flags, 0), allowed, 'NETLINK_ROUTE')
    for (const protocol of [4, 12, 15, 21]) assert.equal(run(socket, 16, raw, protocol), eafnosupport)
    for (const family of [0, 3, 17, 38, 40]) assert.equal(run(socket, family, stream, 0), eafnosupport)
  })

  test(`${arch}: kills what calls as another processor`, () => {
    assert.equal(interpret(seccompProgram(arch)!, 0x40000003, read, []), 'killed')
  })
}

test('x64: does not know x32', () => {
  assert.equal(interpret(seccompProgram('x64')!, machines.x64.audit, 0x40000000, []), enosys)
})

test('has no filter for a processor without a table', () => {
  assert.equal(seccompProgram('riscv64'), undefined)
})

/** Classic BPF as far as the filter uses it: the errno, or what else becomes of the call. */
function interpret(program: Buffer, audit: number, number: number, args: number[]): number | string {
  const input = new Map([[0, number], [4, audit], ...args.map((value, index) => [16 + 8 * index, value] as const)])
  let loaded = 0
  for (let at = 0; ; at += 8) {
    const code = program.readUInt16LE(at)
    const value = program.readUInt32LE(at + 4)
    const jump = (holds: boolean) => program.readUInt8(at + (holds ? 2 : 3)) * 8
    if (code === 0x20) loaded = input.get(value) ?? 0
    else if (code === 0x54) loaded = (loaded & value) >>> 0
    else if (code === 0x15) at += jump(loaded === value)
    else if (code === 0x35) at += jump(loaded >= value)
    else if (code === 0x45) at += jump((loaded & value) !== 0)
    else if (code === 0x06) return value === 0x7fff0000 ? allowed : value === 0x80000000 ? 'killed' : value & 0xffff
    else throw new Error(`unknown instruction ${code}`)
  }
}
