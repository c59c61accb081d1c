import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startPlatform, until } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '' }
const run = (...args: string[]) => warren(args, { env })
const folder = mkdtempSync(join(tmpdir(), 'warren-agents-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const agent = (name: string, ...script: object[]) => ({ name, model: 'scripted', script })

test('warren eval runs cases, has a model judge, and says what has changed since the last time', async () => {
  const path = join(folder, 'suite.json')
  const verdict = (accepted: boolean) => ({ text: `{"reason": "because", "accepted": ${accepted}}` })
  const suite = (answer: string, accepted: boolean) => ({
    agent: agent('tried', { text: answer }),
    judge: agent('judge', {
      ...verdict(accepted),
      expect: { anyText: 'The criteria:\nIt is a number.\n\nThe task:\nCompute.' },
    }),
    cases: [
      { name: 'sum', input: 'Compute.', exact: '42' },
      { name: 'pattern', input: 'Compute.', matches: '^\\d+$' },
      { name: 'judged', input: 'Compute.', judge: 'It is a number.' },
      {
        name: 'waits',
        input: 'x',
        exact: 'y',
        agent: {
          ...agent('asks', { calls: [{ name: 'ask_human', arguments: { question: 'Well?' } }] }),
          tools: ['ask_human'],
        },
      },
    ],
  })
  const write = (answer: string, accepted: boolean) => writeFileSync(path, JSON.stringify(suite(answer, accepted)))
  write('42', true)
  const first = await run('eval', path, '--json')
  assert.equal(first.code, 1, first.stderr)
  const result = JSON.parse(first.stdout)
  assert.deepEqual([result.passed, result.failed, result.changes], [3, 1, undefined])
  assert.deepEqual(
    result.cases.map(({ passed, state }: Record<string, unknown>) => [passed, state]),
    [...[1, 2, 3].map(() => [true, 'done']), [false, 'waiting']],
  )
  assert.match(result.cases[3].why, /the run is waiting/)
  assert.equal((await platform.json('GET', `/v1/runs/${result.cases[3].runId}`)).state, 'cancelled')
  write('43', false)
  const second = await run('eval', path)
  assert.equal(second.code, 1)
  assert.match(second.stdout, /sum\s+fails, passed before/)
  assert.match(second.stdout, /pattern\s+passes\s/)
  assert.match(second.stdout, /1 of 4 pass/)
  assert.match(second.stdout, /2 broken, 0 fixed/)
  assert.match(second.stderr, /judged: fails: because/)
  assert.match(second.stderr, /sum: fails: not "42" but "43"/)
  writeFileSync(path, JSON.stringify({ ...suite('42', true), cases: suite('42', true).cases.slice(0, 3) }))
  const third = await run('eval', path, '--no-save', '--parallel', '1')
  assert.equal(third.code, 0, third.stderr)
  assert.match(third.stdout, /0 broken, 2 fixed/)
  assert.ok(existsSync(join(folder, 'suite.last.json')))
  const missing = await run('eval', join(folder, 'none.json'))
  assert.match(missing.stderr, /holds no cases in JSON/)
})

test('images are given to a run, a chat and the cases of an eval, and are downloaded as they were', async () => {
  const png = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), Buffer.from('a plot')])
  writeFileSync(join(folder, 'plot.png'), png)
  writeFileSync(join(folder, 'other.gif'), 'GIF89a and more')
  const spec = join(folder, 'sees.json')
  writeFileSync(spec, JSON.stringify(agent('sees', { text: 'A plot.' }, { text: 'Another.' })))
  const plot = ['--image', join(folder, 'plot.png')]
  const downloaded = async (runId: string, name: string) => {
    const out = await run('runs', 'images', runId, '--out', join(folder, name))
    assert.equal(out.code, 0, out.stderr)
    return out.stdout.trim().split('\n').filter(Boolean)
  }

  const ran = await run('agent', 'run', spec, 'What is it?', ...plot, '--image', join(folder, 'other.gif'), '--json')
  const files = await downloaded(JSON.parse(ran.stdout).runId, 'of-run')
  assert.deepEqual(files.map((file) => file.replace(/.*\./, '')).sort(), ['gif', 'png'])
  assert.deepEqual(readFileSync(files.find((file) => file.endsWith('png'))!), png)

  const chat = await warren(['chat', spec, ...plot], { env, stdin: 'What is it?\nAnd now?\n' })
  assert.deepEqual([chat.code, chat.stdout], [0, 'A plot.\nAnother.\n'], chat.stderr)
  const { sessions = [], runs = sessions } = await platform.json('GET', '/v1/sessions')
  assert.equal((await downloaded(runs[0].runId, 'of-chat')).length, 1)
  const { entries } = await platform.json('GET', `/v1/runs/${runs[0].runId}/trace`)
  const said = entries.filter(({ type }: { type: string }) => type === 'message.added')
  assert.deepEqual(
    said.map(({ data }: { data: { images?: object[] } }) => data.images?.length),
    [1, undefined],
  )

  const suite = join(folder, 'seen.json')
  const write = (images: unknown) =>
    writeFileSync(suite, JSON.stringify({ agent: 'sees.json', cases: [{ input: 'Look.', images, exact: 'A plot.' }] }))
  write(['plot.png'])
  const tried = await run('eval', suite, '--json')
  assert.equal(tried.code, 0, tried.stderr)
  assert.equal((await downloaded(JSON.parse(tried.stdout).cases[0].runId, 'of-eval')).length, 1)
  write(['none.png'])
  assert.match((await run('eval', suite)).stderr, /none\.png/)
  write('plot.png')
  assert.match((await run('eval', suite)).stderr, /images must be a list/)
})

test('warren memory shows what agents have learned, and forgets it', async () => {
  const script = [{ calls: [{ name: 'remember', arguments: { fact: 'Invoices come as PDF.' } }] }, { text: 'Kept.' }]
  const spec = { ...agent('learns', ...script), tools: ['remember'] }
  const { runId } = await platform.json('POST', '/v1/runs', { agent: spec, input: 'Sort the invoices of March' })
  const experiences = (...more: string[]) => run('memory', 'experiences', '--agent', 'learns', ...more)
  await until('it is an experience', async () => (await experiences()).stdout.includes(runId), 60_000)
  assert.match((await experiences('--like', 'sort invoices')).stdout, /0\.\d\d\s+u\S+\s+learns\s+completed\s+2/)
  const facts = JSON.parse((await run('memory', 'facts', 'learns', '--json')).stdout)
  assert.deepEqual([facts[0].text, facts[0].runId], ['Invoices come as PDF.', runId])
  assert.match((await run('memory', 'facts', 'learns', '--like', 'invoice')).stdout, /Invoices come as PDF/)
  assert.match((await run('memory', 'facts', 'learns', '--like', 'weather')).stderr, /remembers nothing/)
  assert.match((await run('memory', 'facts', 'nobody')).stderr, /there is no agent nobody/)
  assert.equal((await run('memory', 'forget-fact', 'learns', facts[0].id)).code, 0)
  assert.match((await run('memory', 'forget-fact', 'learns', facts[0].id)).stderr, /has no fact/)
  assert.match((await run('memory', 'facts', 'learns')).stderr, /there is no agent learns/)
  assert.equal((await run('memory', 'forget', runId)).code, 0)
  assert.match((await experiences()).stderr, /no experience yet/)
})

test('warren memory document gives an agent texts to look up, finds their passages, and takes them away', async () => {
  await platform.json('PUT', '/v1/agents/reads', agent('reads', { text: 'Read.' }))
  const path = join(folder, 'handbook.md')
  writeFileSync(path, '# Refunds\n\nMoney comes back within ten days.\n\n# Leave\n\nThirty days a year.\n')
  const documents = (...args: string[]) => run('memory', 'document', ...args)
  const added = await documents('add', 'reads', path, '--name', 'handbook.md')
  assert.match(added.stdout, /^doc\w{20}\n$/, added.stderr)
  assert.match((await documents('list', 'reads')).stdout, /markdown\s+\d+\s+.*handbook\.md/)
  assert.match(
    (await documents('search', 'reads', 'refunds')).stdout,
    /^handbook\.md:1-7 > Refunds\n# Refunds\n\nMoney/,
  )
  writeFileSync(join(folder, 'picture'), Buffer.from([0xff, 0xd8, 0xff]))
  assert.match((await documents('add', 'reads', join(folder, 'picture'))).stderr, /is no text in UTF-8/)
  assert.match((await documents('add', 'nobody', path)).stderr, /there is no agent nobody/)
  assert.equal((await documents('delete', 'reads', 'handbook.md')).code, 0)
  assert.match((await documents('list', 'reads')).stderr, /has no documents/)
})
