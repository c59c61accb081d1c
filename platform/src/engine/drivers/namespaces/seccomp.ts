import { refusedCalls } from './refused-calls.ts'

interface Machine {
  /** AUDIT_ARCH_*. */
  audit: number
  /** Its column in the table of refused calls. */
  column: 0 | 1
  clone: number
  socket: number
  ioctl: number
  prlimit64: number
  /** x32 shares the architecture of x86-64 and sets this bit in the number. */
  x32Bit?: number
}

const machines: Record<string, Machine> = {
  x64: { audit: 0xc000003e, column: 0, clone: 56, socket: 41, ioctl: 16, prlimit64: 302, x32Bit: 0x40000000 },
  arm64: { audit: 0xc00000b7, column: 1, clone: 220, socket: 198, ioctl: 29, prlimit64: 261 },
}

const clone3 = 435
/** CLONE_NEW* of clone(2): time, mount, cgroup, uts, ipc, user, pid, net. */
const namespaceFlags = 0x7e020080
/** TIOCSTI and TIOCLINUX: pushing characters into somebody's terminal. */
const terminalInjection = [0x5412, 0x541c]
const family = { unix: 1, inet: 2, inet6: 10, netlink: 16 }
/** The one netlink protocol allowed: addresses and routes of the own namespace. */
const netlinkRoute = 0
/** Type of a socket in its low four bits, above them flags. */
const typeMask = 0xf
const rawTypes = [3, 10] // SOCK_RAW, SOCK_PACKET

const eperm = 1
const enosys = 38
const eafnosupport = 97

type Instruction = readonly [code: number, yes: number, no: number, value: number]

/** Offsets in struct seccomp_data, of arguments their low half. */
const at = { number: 0, arch: 4, argument0: 16, argument1: 24, argument2: 32 }
const load = (offset: number): Instruction => [0x20, 0, 0, offset]
const keepBits = (mask: number): Instruction => [0x54, 0, 0, mask]
const answer = (action: number): Instruction => [0x06, 0, 0, action]
const allow = answer(0x7fff0000)
const kill = answer(0x80000000)
const fail = (errno: number) => answer(0x00050000 | errno)

/** Conditions on what was loaded last; where one does not hold, `then` is passed over. */
const when = (code: number) => (value: number, then: Instruction[]) => [[code, 0, then.length, value] as const, ...then]
const equal = when(0x15)
const atLeast = when(0x35)
const anySet = when(0x45)

/**
 * The same refusals as the container rung's, as the classic BPF program that bubblewrap and the guest agent take.
 * Undefined for processors of which we have no table.
 */
export function seccompProgram(arch: string = process.arch): Buffer | undefined {
  const machine = machines[arch]
  if (!machine) return undefined
  const program: Instruction[] = [
    load(at.arch),
    [0x15, 1, 0, machine.audit],
    kill,
    load(at.number),
    ...(machine.x32Bit ? atLeast(machine.x32Bit, [fail(enosys)]) : []),
    ...refusedNumbers(machine.column).flatMap((number) => equal(number, [fail(eperm)])),
    // clone3 passes its flags in memory, where a filter cannot look: libc falls back to clone on ENOSYS.
    ...equal(clone3, [fail(enosys)]),
    ...equal(machine.clone, [load(at.argument0), ...anySet(namespaceFlags, [fail(eperm)]), allow]),
    ...equal(machine.socket, socketRules()),
    ...equal(machine.ioctl, [
      load(at.argument1),
      ...terminalInjection.flatMap((request) => equal(request, [fail(eperm)])),
    ]),
    // Limits of others: the agent has the same user as what it must outlive.
    ...equal(machine.prlimit64, [load(at.argument0), ...equal(0, [allow]), fail(eperm)]),
    allow,
  ]
  return Buffer.concat(program.map(encode))
}

function socketRules(): Instruction[] {
  const internet = [
    load(at.argument1),
    keepBits(typeMask),
    ...rawTypes.flatMap((type) => equal(type, [fail(eafnosupport)])),
    allow,
  ]
  return [
    load(at.argument0),
    ...equal(family.unix, [allow]),
    ...equal(family.inet, internet),
    ...equal(family.inet6, internet),
    ...equal(family.netlink, [load(at.argument2), ...equal(netlinkRoute, [allow])]),
    fail(eafnosupport),
  ]
}

function refusedNumbers(column: 0 | 1): number[] {
  return Object.values(refusedCalls)
    .map((numbers) => (typeof numbers === 'number' ? numbers : numbers[column]))
    .filter((number) => number !== null)
}

/** struct sock_filter: u16 code, u8 jump if true, u8 jump if false, u32 value; little-endian on both machines. */
function encode([code, yes, no, value]: Instruction): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(yes, 2)
  bytes.writeUInt8(no, 3)
  bytes.writeUInt32LE(value >>> 0, 4)
  return bytes
}
