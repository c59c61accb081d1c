import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { keyed, startPlatform } from '../../platform/test/platform.ts'
import { warren } from './warren.ts'

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_BILLING_SANDBOX_BANK: 'yes' })
const folder = mkdtempSync(join(tmpdir(), 'warren-cli-'))
after(() => rmSync(folder, { recursive: true }))
const env = { WARREN_HOME: platform.home, WARREN_URL: platform.url, WARREN_API_KEY: '' }
const run = (...args: string[]) => warren(args, { env })
const inChinese = (...args: string[]) => warren(args, { env: { ...env, LC_ALL: 'zh_CN.UTF-8' } })

/** What a command answers with --json. */
async function json(...args: string[]) {
  const { stdout, stderr, code } = await run(...args, '--json')
  assert.deepEqual([code, stderr], [0, ''], args.join(' '))
  return JSON.parse(stdout)
}

/** That a command fails, says why, and prints nothing that a program could take for an answer. */
async function refused(args: string[], why: RegExp): Promise<void> {
  const { stdout, stderr, code } = await run(...args)
  assert.deepEqual([code, stdout], [1, ''], args.join(' '))
  assert.match(stderr, why)
  const asJson = await run(...args, '--json')
  if (/unknown option '--json'/.test(asJson.stderr)) return
  assert.equal(typeof JSON.parse(asJson.stderr).error.code, 'string', asJson.stderr)
}

test('plan shows what an account is on, lists what there is, and takes one', async () => {
  const { stdout } = await run('plan', 'show')
  assert.match(
    stdout,
    /^plan free, version 1\nwallet 0\.00 USD, spent in this month \S+ USD\nsoft limit none, hard limit none\n$/,
  )
  assert.match((await inChinese('plan', 'show')).stdout, /^套餐 free，版本 1\n钱包 /)
  const listed = await run('plan', 'list')
  assert.match(listed.stdout, /^ID +NAME +MONTHLY +SANDBOXES AT ONCE\n/)
  assert.match(listed.stdout, /^pro +\S+.* USD.* +\d+$/m)
  assert.match((await inChinese('plan', 'ls')).stdout, /每月 +同时沙箱数/)
  assert.deepEqual(
    (await json('plan', 'list')).map(({ id }: { id: string }) => id),
    ['basic', 'enterprise', 'free', 'pro'],
  )
  await refused(['plan', 'set', 'none-such'], /there is no plan "none-such"/)
  await refused(['plan', 'set', 'basic', '--currency', 'XXX'], /XXX/)
  assert.match((await run('plan', 'set', 'basic', '--currency', 'USD')).stdout, /^plan basic, version 1$/m)
  assert.equal((await json('plan', 'show')).plan.id, 'basic')
})

test('billing: limits are set and taken away, and amounts that make no sense change nothing', async () => {
  assert.match(
    (await run('billing', 'limits', '--soft', '10.00', '--hard', '20.5')).stdout,
    /soft limit 10\.00 USD, hard limit 20\.50 USD/,
  )
  for (const amount of ['-1', '1.234', 'much', '1e3', '99999999999999999999999'])
    await refused(['billing', 'limits', '--hard', amount], /^warren: \S+/)
  const { hardLimit } = await json('billing', 'limits', '--soft', 'none')
  assert.deepEqual(hardLimit, { currency: 'USD', amount: '20.50' })
  assert.match((await run('billing', 'limits', '--hard', 'none')).stdout, /soft limit none, hard limit none/)
  await refused(['billing', 'coupon', 'NONE'], /coupon/)
})

test('a card is bound, money comes in, an invoice is listed, shown, written and paid; the books are right', async () => {
  assert.match((await run('invoice', 'list')).stderr, /^There is no invoice yet\.\n$/)
  assert.match((await inChinese('invoice', 'list')).stderr, /^还没有发票。\n$/)
  assert.deepEqual(await json('invoice', 'list'), [])
  const { stdout: previewed } = await run('billing', 'usage')
  assert.match(previewed, /^ITEM +PERIOD +FACTS +QUANTITY +AMOUNT\n[\s\S]*total \S+ USD\n$/)
  const [{ terms }] = (await platform.json('GET', '/v1/billing/plans')).plans
  await platform.json('PUT', '/v1/billing/plans/dear', {
    ...terms,
    prices: { USD: { monthly: 10_000_000_000, rates: {} } },
  })
  assert.match((await run('plan', 'set', 'dear')).stdout, /^plan dear, version 1$/m)
  const made = await platform.json('POST', '/v1/billing/accounts/org0/invoices', {}, keyed('made'))
  const listed = await run('invoice', 'list')
  assert.match(listed.stdout, /^ID +NUMBER +STATE +PERIOD +FACTS +AMOUNT\n/)
  assert.match(listed.stdout, new RegExp(`^${made.id} +INV-000001 +issued .* ${made.total.amount} USD$`, 'm'))
  assert.match((await run('invoice', 'show', made.id)).stdout, /^INV-000001 issued\nITEM[\s\S]*fee dear[\s\S]*total /)
  assert.equal((await json('invoice', 'show', made.id)).id, made.id)
  assert.match((await inChinese('invoice', 'show', made.id)).stdout, /合计 /)
  assert.match((await run('invoice', 'usage', made.id)).stdout, /^ITEM +FACTS +QUANTITY\n/)
  const file = join(folder, 'invoice.pdf')
  assert.equal((await run('invoice', 'pdf', made.id, '--output', file)).stdout, `${file}\n`)
  assert.match(readFileSync(file, 'latin1'), /^%PDF-1\.4/)
  for (const verb of ['show', 'usage', 'pay', 'pdf'])
    await refused(['invoice', verb, 'in-none'], /there is no invoice "in-none"/)

  await refused(['invoice', 'pay', made.id], /wallet/)
  await refused(['billing', 'card', '4242'], /card|number/)
  const { stdout: bound } = await run('billing', 'card', '4242424242424242')
  const [, card] = /^(\S+) \(\*4242\) is bound\n$/.exec(bound)!
  const amount = String(Math.ceil(Number(made.total.amount)) + 1)
  const { stdout: topped } = await run(
    'billing',
    'top-up',
    amount,
    '--provider',
    'bank',
    '--card',
    card!,
    '--key',
    'one',
  )
  const [, payment] = /^payment (\S+): pending, /.exec(topped)!
  const again = await json('billing', 'top-up', amount, '--provider', 'bank', '--card', card!, '--key', 'one')
  assert.equal(again.id, payment, 'with the same key it is the same payment')
  await refused(['billing', 'top-up', '7', '--provider', 'bank', '--card', card!, '--key', 'one'], /key/)
  await refused(['billing', 'top-up', '5', '--provider', 'cash'], /cash/)
  assert.match((await run('billing', 'top-up', '5')).stderr, /--provider/)

  assert.match((await run('billing', 'verify')).stdout, /^\d+ facts, \d+ invoices, \d+ postings: difference 0\n$/)
  assert.match((await inChinese('billing', 'verify')).stdout, /差额 0\n$/)
  assert.deepEqual((await json('billing', 'verify')).differences, [])
  assert.match((await run('billing', 'ledger')).stdout, /^WHAT +PERIOD +ACCOUNT +AMOUNT\n.*USD$/m)
  assert.ok((await json('billing', 'ledger')).length > 0)
  assert.match((await run('billing', 'demo')).stdout, /STEP +AMOUNT +WHAT[\s\S]*difference 0\n$/)
})

test('the operator writes a plan and a coupon, closes an invoice, and takes some of it back, once', async () => {
  const file = (name: string, terms: unknown) => {
    const path = join(folder, name)
    writeFileSync(path, typeof terms === 'string' ? terms : JSON.stringify(terms))
    return path
  }
  const prices = { USD: { monthly: 5000, rates: {} } }
  const terms = { name: 'Own', concurrency: 5, minimumMs: 0, included: {}, prices }
  const first = await json('plan', 'write', 'own', file('own.json', terms))
  assert.deepEqual([first.id, first.version], ['own', 1])
  assert.match((await run('plan', 'write', 'own', file('own.json', { ...terms, concurrency: 6 }))).stdout, /own.*2/)
  await refused(['plan', 'write', 'own', file('bad.json', '{')], /bad\.json.*JSON/)
  await refused(['plan', 'write', 'own', file('less.json', { name: 'x' })], /concurrency/)

  const coupon = await run('billing', 'create-coupon', 'HALF', file('half.json', { basisPoints: 5000 }))
  assert.deepEqual([coupon.code, coupon.stderr], [0, ''])
  await refused(['billing', 'create-coupon', 'HALF', file('other.json', { basisPoints: 4000 })], /HALF/)
  assert.equal((await run('billing', 'coupon', 'HALF')).code, 0)

  const closed = await json('invoice', 'close', 'org0', '--key', 'now')
  assert.equal((await json('invoice', 'close', 'org0', '--key', 'now')).id, closed.id)
  assert.equal(closed.state, 'issued')
  await refused(['invoice', 'close', 'org0', '--until', '2999-01-01T00:00:00Z'], /is not over yet/)
  const credit = (...more: string[]) =>
    json(
      'invoice',
      'credit',
      'org0',
      closed.id,
      '0.01',
      '--currency',
      closed.total.currency,
      '--memo',
      'sorry',
      ...more,
    )
  const note = await credit('--key', 'once')
  assert.match(note.number, /^CN-/)
  assert.equal((await credit('--key', 'once')).id, note.id)
  const tooMuch = ['invoice', 'credit', 'org0', closed.id, '99999', '--currency', closed.total.currency, '--memo', 'x']
  await refused(tooMuch, /are left of this invoice/)
  assert.match((await run('billing', 'payments')).stdout, /succeeded/)
  assert.equal((await json('billing', 'verify')).difference, 0)
})

test('what the operator alone may do is refused to others, with the reason', async () => {
  const { key } = await platform.json('POST', '/v1/keys', { name: 'developer' })
  const asDeveloper = { env: { ...env, WARREN_API_KEY: key } }
  for (const args of [
    ['billing', 'verify'],
    ['billing', 'ledger'],
    ['billing', 'demo'],
    ['invoice', 'close', 'org0'],
    ['invoice', 'list'],
    ['plan', 'set', 'pro'],
  ]) {
    const { stdout, stderr, code } = await warren(args, asDeveloper)
    assert.deepEqual([code, stdout], [1, ''], args.join(' '))
    assert.match(stderr, /permission "(platform:manage|billing:\w+)"/)
  }
})
