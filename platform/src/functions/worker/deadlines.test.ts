import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Deadlines } from './deadlines.ts'

/** Adds what takes so long by the name of how long that is, and answers what was told to be late, in that order. */
function start(): {
  late: string[]
  add: (ms: number) => string
  under: Map<string, { until: number }>
  told: () => Promise<void>
} {
  const under = new Map<string, { until: number }>()
  const late: string[] = []
  let tell = () => {}
  const deadlines = new Deadlines(under, (id) => {
    late.push(id)
    under.delete(id)
    tell()
  })
  const add = (ms: number) => {
    const due = { until: performance.now() + ms }
    under.set(`${ms}`, due)
    deadlines.add(due)
    return `${ms}`
  }
  return { late, add, under, told: () => new Promise((resolve) => (tell = resolve)) }
}

test('what is late is told of in the order in which it is, also where something shorter comes later', async () => {
  const { late, add, told } = start()
  add(60)
  add(90)
  add(20)
  while (late.length < 3) await told()
  assert.deepEqual(late, ['20', '60', '90'])
})

test('what is over in time is not told of, and what comes after it is', async () => {
  const { late, add, under, told } = start()
  under.delete(add(10))
  add(30)
  await told()
  assert.deepEqual(late, ['30'])
  add(15)
  await told()
  assert.deepEqual(late, ['30', '15'])
})
