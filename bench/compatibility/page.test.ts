import assert from 'node:assert/strict'
import { test } from 'node:test'
import { page } from './page.ts'
import { complete, type Pair, type Results, withPair } from './results.ts'
import { reasonOf } from './run.ts'

const programs = [{ name: 'Python' }, { name: 'git' }]
const templates = ['base', 'debian', 'full']
const ran = (template: string, driver: string, outcomes: (string | null)[], more: Partial<Pair> = {}): Pair => ({
  ...{ template, driver, at: '2026-01-02', host: 'Debian, Linux 6', runtime: 'version 1', emulated: false },
  verdicts: Object.fromEntries(
    outcomes.map((outcome, index) => [
      programs[index]!.name,
      { version: outcome === null ? '' : `3.${index}`, outcome },
    ]),
  ),
  ...more,
})
const results: Results = {
  runtimes: [{ driver: 'vm' }, { driver: 'broken', missing: 'needs /dev/kvm' }, { driver: 'container' }],
  pairs: [
    ran('base', 'container', ['', 'exit code 1: it said `no`']),
    ran('base', 'vm', ['', null], { emulated: true }),
    ran('debian', 'vm', [], { refused: 'starts from "base" alone' }),
  ],
}

test('the page has a table for each template with what ran there, strongest first', () => {
  const text = page('en', results, { templates, programs })
  assert.match(text, /\| Program \| Version \| vm \(emulated\) \| container \|/)
  assert.match(text, /\| Python \| 3\.0 \| works \| works \|\n\| git \| 3\.1 \| not installed \| \*\*fails\*\* \|/)
  assert.match(text, /- git, container: `exit code 1: it said 'no'`/)
})

test('the page says what did not run, and what was refused', () => {
  const text = page('en', results, { templates, programs })
  const [, , debian, full] = text.split('\n## ')
  assert.match(debian!, /`vm`: does not start this template: starts from "base" alone\n- `container`: not run yet/)
  assert.match(full!, /`vm`: not run yet\n- `container`: not run yet/)
  assert.match(text, /did not have:\n\n- `broken`: needs \/dev\/kvm\n$/)
  assert.doesNotMatch(debian!, /Program/)
})

test('the Chinese page has the same tables', () => {
  const cells = (text: string) => text.split('\n').filter((line) => line.startsWith('|')).length
  const [en, zh] = [page('en', results, { templates, programs }), page('zh', results, { templates, programs })]
  assert.equal(cells(en), cells(zh))
  assert.match(zh, /\| git \| 3\.1 \| 未安装 \| \*\*不可用\*\* \|/)
  assert.match(zh, /`vm`：不能启动这个模板/)
})

test('a pair that has run is not due, one with a program missing is, and a new run takes the place of the old', () => {
  const at = { template: 'base', driver: 'container' }
  assert.ok(complete(results, at, programs))
  assert.equal(complete(results, at, [...programs, { name: 'new' }]), undefined)
  assert.equal(complete(results, { template: 'full', driver: 'container' }, programs), undefined)
  assert.ok(complete(results, { template: 'debian', driver: 'vm' }, programs), 'what is refused is known')
  const again = withPair(results, ran('base', 'container', ['', '']))
  assert.equal(again.pairs.length, results.pairs.length)
  assert.equal(complete(again, at, programs)?.verdicts.git?.outcome, '')
})

test('what is not installed any more keeps what it did, with its day', () => {
  const again = withPair(results, ran('base', 'container', ['', null], { at: '2026-02-03' }))
  assert.match(
    page('en', again, { templates, programs }),
    /\| git \| 3\.1 \| not installed \| \*\*fails\*\* \(2026-01-02\) \|/,
  )
  const twice = withPair(again, ran('base', 'container', ['', null], { at: '2026-02-04' }))
  assert.equal(twice.pairs.at(-1)?.verdicts.git?.at, '2026-01-02')
})

test("a refusal is the runtime's own word alone", () => {
  const passedOver = [
    { driver: 'other', reason: 'no' },
    { driver: 'vm', reason: 'alone' },
  ]
  const answer = { code: 'unavailable', message: 'no runtime', details: { passedOver } }
  assert.equal(reasonOf(JSON.stringify(answer), 'vm'), 'alone')
  assert.equal(reasonOf(JSON.stringify(answer), 'third'), undefined)
  assert.equal(reasonOf('<html>', 'vm'), undefined)
})
