import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0' })

const call = (name: string, args: object) => ({ calls: [{ name, arguments: args }] })
const tools = ['shell', 'find_symbol', 'references', 'outline', 'dependents', 'search_code', 'code_context']

/** What the tools of one run answered, in order. */
async function answersTo(script: object[]): Promise<string[]> {
  const agent = { name: 'tested', model: 'scripted', tools, checkpoints: false, script: [...script, { text: 'Done.' }] }
  const { runId } = await platform.json('POST', '/v1/runs', { agent, input: 'Look at the code.' })
  const found: Answer = await until(
    `run ${runId} has settled`,
    async () => {
      const run = await platform.json('GET', `/v1/runs/${runId}`)
      return ['queued', 'running'].includes(run.state) ? undefined : run
    },
    100_000,
  )
  assert.equal(found.state, 'done', JSON.stringify(found))
  const { entries } = await platform.json('GET', `/v1/runs/${runId}/trace?limit=10000`)
  return entries.filter(({ type }: Answer) => type === 'tool.ended').map(({ data }: Answer) => data.text)
}

const project = `mkdir -p app/src app/node_modules/lib && cd app
cat > src/money.ts <<'EOF'
/** An amount in cents. */
export class Money {
  constructor(readonly cents: number) {}
  plus(other: Money): Money { return new Money(this.cents + other.cents) }
}
EOF
cat > src/bill.ts <<'EOF'
import { Money } from './money.ts'
// Money is not named here.
export const total = (all: Money[]) => all.reduce((sum, each) => sum.plus(each), new Money(0))
EOF
echo 'export class Money {}' > node_modules/lib/index.ts
echo 'Money matters.' > notes.md
ln -s . loop; ln -s /etc/passwd src/passwd.ts; ln -s /dev/zero src/zero.ts; mkfifo src/pipe.ts
head -c 20000000 /dev/zero > src/huge.ts; printf '\\0\\1' > src/binary.ts; mkdir -m 0 closed`

test('tools know the code of the sandbox, and what has changed in it', async () => {
  const answers = await answersTo([
    call('shell', { command: project }),
    call('find_symbol', { name: 'Money' }),
    call('references', { name: 'Money' }),
    call('outline', { path: 'src/money.ts' }),
    call('outline', { path: 'app/src' }),
    call('dependents', { path: 'money.ts' }),
    call('search_code', { pattern: 'Money m' }),
    call('code_context', { question: 'How are amounts of Money added?', tokens: 500 }),
    call('shell', {
      command: 'sed -i "s/plus/add/" app/src/money.ts && rm app/src/bill.ts && echo "Other things." > app/notes.md',
    }),
    call('find_symbol', { name: 'plus' }),
    call('find_symbol', { name: 'add', folder: 'app/src' }),
    call('references', { name: 'Money' }),
    call('find_symbol', { name: 'add', folder: 'nowhere' }),
    call('search_code', { pattern: '(', regex: true }),
    call('search_code', { pattern: 'Money m' }),
  ])
  const [
    ,
    symbol,
    references,
    outline,
    folder,
    dependents,
    search,
    context,
    ,
    gone,
    renamed,
    after,
    nowhere,
    wrong,
    text,
  ] = answers
  assert.match(symbol!, /^\S*\/app\/src\/money\.ts:2-5 {2}class {2}export class Money \{$/)
  const uses = references!.split('\n').map((line) => /([^/]+):(\d+) {2}(\w+)/.exec(line)!.slice(1).join(' '))
  assert.deepEqual(uses.slice(0, 1), ['money.ts 2 definition'])
  assert.deepEqual(uses.slice(1).sort(), [
    'bill.ts 1 import',
    'bill.ts 3 call',
    'bill.ts 3 type',
    'money.ts 4 call',
    'money.ts 4 type',
    'money.ts 4 type',
  ])
  assert.match(outline!, /^ +2 {2}export class Money \{\n +3 .*constructor.*\n +4 .*plus\(other/)
  assert.match(folder!, /bill\.ts {2}3 lines {2}total\n.*money\.ts {2}5 lines {2}Money\n2 other files$/)
  assert.match(dependents!, /^Imported by 1:\n.*\/bill\.ts\nImports 0/)
  assert.match(search!, /^\S*notes\.md:1 {2}Money matters\.$/)
  assert.match(context!, /^\S*money\.ts:1-5 .*\n\/\*\* An amount in cents\. \*\/\nexport class Money/)
  assert.match(gone!, /^Nothing is named like plus\. 1 of \d+ files were read as code\.$/)
  assert.match(renamed!, /money\.ts:4-4 {2}method in Money {2}add\(other/)
  assert.doesNotMatch(after!, /bill/)
  assert.match(nowhere!, /nowhere/)
  assert.match(wrong!, /Invalid regular expression/)
  assert.equal(text, 'No line is found.')
})

test('what was found is kept for the next run of the same organisation', async () => {
  const script = [call('shell', { command: project }), call('find_symbol', { name: 'Money' })]
  const [, first] = await answersTo(script)
  const folder = join(platform.home, 'codebase')
  const packs = await until('it is on the disk', async () => {
    const [account] = await readdir(folder).catch(() => [])
    const names = account ? await readdir(join(folder, account)) : []
    return names.some((name) => name.endsWith('.pack')) ? names.map((name) => join(folder, account!, name)) : undefined
  })
  const contents = await Promise.all(packs.map((path) => readFile(path, 'latin1')))
  assert.ok(contents.some((content) => content.includes('Money')))
  // Names and places are kept, no contents.
  assert.ok(!contents.some((content) => content.includes('An amount in cents')))
  const [, second] = await answersTo(script)
  assert.equal(second, first)
})
