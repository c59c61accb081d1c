/**
 * The same refusals as the container rung's, as the classic BPF program that bubblewrap takes.
 * Numbers are of x86-64 and of the generic table that arm64 uses (include/uapi/asm-generic/unistd.h).
 */
const refusedX64 = [
  101, 103, 134, 136, 139, 153, 154, 155, 156, 159, 163, 164, 165, 166, 167, 168, 169, 170, 171, 172, 173, 174, 175,
  176, 178, 179, 180, 183, 212, 227, 237, 238, 246, 248, 249, 250, 256, 272, 279, 298, 300, 303, 304, 305, 308, 310,
  311, 312, 313, 320, 321, 323, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442, 443, 450,
]
const refusedArm64 = [
  18, 39, 40, 41, 42, 58, 60, 89, 97, 104, 105, 106, 112, 116, 117, 142, 161, 162, 170, 171, 217, 218, 219, 224, 225,
  235, 237, 238, 239, 241, 262, 264, 265, 266, 268, 270, 271, 272, 273, 280, 282, 294, 425, 426, 427, 428, 429, 430,
  431, 432, 433, 438, 440, 442, 443, 450,
]

interface Machine {
  audit: number
  refused: readonly number[]
  clone: number
  socket: number
  ioctl: number
}

const machines: Record<string, Machine> = {
  x64: { audit: 0xc000003e, refused: refusedX64, clone: 56, socket: 41, ioctl: 16 },
  arm64: { audit: 0xc00000b7, refused: refusedArm64, clone: 220, socket: 198, ioctl: 29 },
}

const clone3 = 435
const namespaceFlags = 0x7e020080
const allowedFamilies = [1, 2, 10, 16]
const terminalInjection = [0x5412, 0x541c]

/** Offsets in struct seccomp_data. */
const at = { number: 0, arch: 4, argument0: 16, argument1: 24 }
const load = 0x20
const jumpEqual = 0x15
const jumpAtLeast = 0x35
const jumpAnySet = 0x45
const answer = 0x06
const allow = 0x7fff0000
const kill = 0x80000000
const fail = (errno: number) => 0x00050000 | errno

type Instruction = readonly [code: number, yes: number, no: number, value: number]

/** The filter for this machine, or undefined where we have no table for its processor. */
export function seccompProgram(arch: string = process.arch): Buffer | undefined {
  const machine = machines[arch]
  if (!machine) return undefined
  const program: Instruction[] = [
    [load, 0, 0, at.arch],
    [jumpEqual, 1, 0, machine.audit],
    [answer, 0, 0, kill],
    [load, 0, 0, at.number],
    // x32 shares the architecture and sets a high bit in the number.
    ...(arch === 'x64'
      ? ([
          [jumpAtLeast, 0, 1, 0x40000000],
          [answer, 0, 0, fail(38)],
        ] as Instruction[])
      : []),
    ...machine.refused.flatMap((number): Instruction[] => [
      [jumpEqual, 0, 1, number],
      [answer, 0, 0, fail(1)],
    ]),
    [jumpEqual, 0, 1, clone3],
    [answer, 0, 0, fail(38)],
    [jumpEqual, 0, 3, machine.clone],
    [load, 0, 0, at.argument0],
    [jumpAnySet, 0, 1, namespaceFlags],
    [answer, 0, 0, fail(1)],
    [load, 0, 0, at.number],
    [jumpEqual, 0, allowedFamilies.length + 2, machine.socket],
    [load, 0, 0, at.argument0],
    ...allowedFamilies.map((family, index): Instruction => [jumpEqual, allowedFamilies.length - index, 0, family]),
    [answer, 0, 0, fail(97)],
    [load, 0, 0, at.number],
    [jumpEqual, 0, 4, machine.ioctl],
    [load, 0, 0, at.argument1],
    ...terminalInjection.map((request, index): Instruction => [jumpEqual, 1 - index, index === 0 ? 0 : 1, request]),
    [answer, 0, 0, fail(1)],
    [answer, 0, 0, allow],
  ]
  return Buffer.concat(program.map(encode))
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
