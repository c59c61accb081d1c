import assert from 'node:assert/strict'
import { cp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Answer, lacksOf, startPlatform, until } from './platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)
const { runtimes } = await platform.json('GET', '/v1/runtimes')
const chosen = runtimes.find(({ healthy, emulated }: Answer) => healthy && !emulated)
const savesMemory = chosen.capabilities?.snapshot?.keeps === 'memory'
/** The moment at which it was started, to the nanosecond: two starts have two. */
const startCommand = 'date +%s%N >/tmp/started; export OWN=1; exec sleep 86399'

async function build(body: object): Promise<Answer> {
  const { template, id } = await platform.json('POST', '/v1/templates', body)
  const path = `/v1/templates/${template}/builds/${id}?limit=1000`
  const ended = async () => {
    const found = await platform.json('GET', path)
    return ['ready', 'error'].includes(found.state) && found
  }
  return until('the build has ended', ended, 90_000)
}

/** What a new sandbox of the template says of its program. */
async function look(input: object = {}): Promise<{ started: string; running: string; env: string; machine: string }> {
  const path = await platform.sandbox({ template: 'server', env: { GIVEN: 'here' }, ...input })
  const command = 'cat /tmp/started; pgrep -fc "^sleep 86399"; echo "$OF_TEMPLATE $GIVEN $OWN"; cat /etc/machine-id'
  const { stdout, stderr } = await platform.json('POST', `${path}/execute`, { command })
  await platform.call('DELETE', path)
  const [started = '', running = '', env = '', machine = ''] = stdout.split('\n')
  assert.match(started, /^\d+$/, stderr)
  return { started, running, env, machine }
}

test('what a template starts goes on from its saved memory, where memory is saved, else it is started anew', {
  skip: lacks.root,
}, async () => {
  const made = await build({
    name: 'server',
    steps: [
      { type: 'ENV', args: ['OF_TEMPLATE', 'own'] },
      { type: 'RUN', args: ['echo 0123 >/etc/machine-id', 'root'] },
    ],
    startCommand,
    readyCommand: 'test -s /tmp/started',
  })
  assert.equal(made.state, 'ready', JSON.stringify(made))
  const said = made.log.map(({ message }: Answer) => message).join('\n')
  assert.match(
    said,
    savesMemory ? /Saved with its memory/ : /Not saved with its memory, so each sandbox starts it anew: \S/,
  )
  const [one, other] = [await look(), await look()]
  for (const { running, env } of [one, other]) assert.deepEqual([running, env], ['1', 'own here '])
  assert.equal(one.started === other.started, savesMemory)
  assert.equal(one.machine === other.machine, !savesMemory, 'what goes on from one memory is not one machine')

  const larger = await look({ limits: { memoryMb: 640 } })
  assert.equal(larger.running, '1')
  assert.notEqual(larger.started, one.started, 'memory is saved of one size')

  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal((await look()).started === one.started, savesMemory)
})

test('a saved start that cannot be used is told, and the program is started anew', {
  skip: lacks.root || (!savesMemory && `${chosen.driver} saves no memory`),
}, async () => {
  const before = await look()
  const folder = join(platform.home, 'images/starts')
  const [saved] = await readdir(folder)
  await rm(join(folder, saved!, 'disk.img'))
  const { started, running } = await look()
  assert.equal(running, '1')
  assert.notEqual(started, before.started)
  assert.match(platform.log(), /the saved start of a template cannot be used/)
})

/** As it is on the disk: what has been saved of all templates. */
const saved = () => readdir(join(platform.home, 'images/starts')).catch(() => [] as string[])

test('a template that asks for it has its program started anew in each sandbox, and nothing is saved', {
  skip: lacks.root,
}, async () => {
  const before = await saved()
  const body = { name: 'own-keys', startCommand, readyCommand: 'test -s /tmp/started', startAnew: true }
  const made = await build(body)
  assert.equal(made.state, 'ready', JSON.stringify(made))
  const said = made.log.map(({ message }: Answer) => message).join('\n')
  assert.match(said, /Each sandbox starts it anew: the template asks for it/)
  const [one, other] = [await look({ template: 'own-keys' }), await look({ template: 'own-keys' })]
  assert.deepEqual([one.running, other.running], ['1', '1'])
  assert.notEqual(one.started, other.started)
  assert.deepEqual(await saved(), before)
})

test('an operator who wants it so has what was saved given up and nothing saved any more', {
  skip: lacks.root,
}, async () => {
  await build({ name: 'server', startCommand, readyCommand: 'test -s /tmp/started', force: true })
  assert.equal((await saved()).length > 0, savesMemory)
  const before = await look()
  if (savesMemory)
    await cp(join(platform.home, 'images/starts'), join(platform.home, 'kept-starts'), { recursive: true })
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_TEMPLATE_STARTS: 'anew' })
  assert.deepEqual(await saved(), [])
  // As if it could not be given up.
  if (savesMemory)
    await cp(join(platform.home, 'kept-starts'), join(platform.home, 'images/starts'), { recursive: true })
  const after = await look()
  await Promise.all((await saved()).map((one) => rm(join(platform.home, 'images/starts', one), { recursive: true })))
  assert.notEqual(after.started, before.started)
  assert.equal(after.running, '1')
  const again = await build({ name: 'later', startCommand, readyCommand: 'test -s /tmp/started' })
  const said = again.log.map(({ message }: Answer) => message).join('\n')
  assert.match(said, /Each sandbox starts it anew: the operator wants it so/)
  assert.deepEqual(await saved(), [])
})
