import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Look, Signs } from './signs.ts'

const limits = { rule: 'observe', cpuMinutes: 2, refusedPerMinute: 10, egressMbPerMinute: 60 } as const
const calm = { cpuUsedPct: 5, processes: 3, maxProcesses: 64 }

/** Looks five seconds apart; what each of them found. */
function seen(looks: Partial<Look>[], given: ConstructorParameters<typeof Signs>[0] = limits): string[][] {
  const signs = new Signs(given)
  return looks.map((look, at) => signs.see({ ...calm, atMs: at * 5000, ...look }).map(({ sign }) => sign))
}

test('all of its processor for so many minutes without a break is a sign, told once', () => {
  const busy = Array.from({ length: 30 }, () => ({ cpuUsedPct: 99 }))
  const found = seen(busy)
  assert.deepEqual(found.flat(), ['cpu'])
  assert.equal(
    found.findIndex((signs) => signs.length > 0),
    24,
  )
  assert.deepEqual(seen([...busy.slice(0, 24), {}, ...busy.slice(0, 24)]).flat(), [], 'a break begins anew')
  assert.deepEqual(seen([...busy, {}, ...busy]).flat(), ['cpu', 'cpu'], 'and is told of again')
})

test('as many processes as it may have, twice in a row, is a sign', () => {
  const full = { processes: 64 }
  assert.deepEqual(seen([full, {}, full, full, full]), [[], [], [], ['fork_storm'], []])
})

test('many different refusals in a minute are a sign; what was not looked at is none', () => {
  const network = (refused: number) => ({ network: { bytesSent: 0, refused } })
  assert.deepEqual(seen([network(9), {}, network(10), {}, network(200), network(0), network(11)]), [
    [],
    [],
    ['port_scan'],
    [],
    [],
    [],
    ['port_scan'],
  ])
})

test('much that is sent in little time is a sign, and a counter that begins anew is none', () => {
  const sent = (mb: number) => ({ network: { bytesSent: mb * 2 ** 20, refused: 0 } })
  assert.deepEqual(seen([sent(500), sent(501), sent(507), sent(508), sent(0)]), [[], [], ['egress_burst'], [], []])
})

test('a limit of 0 is not looked at', () => {
  const off = { rule: 'pause', cpuMinutes: 0, refusedPerMinute: 0, egressMbPerMinute: 0 } as const
  const worst = { cpuUsedPct: 100, network: { bytesSent: 2 ** 40, refused: 150 } }
  assert.deepEqual(seen([worst, worst, worst], off).flat(), [])
})
