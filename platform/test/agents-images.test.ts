import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { apis, type ImagePart, type InputPart } from '../src/models/message.ts'
import { wireOf } from '../src/models/open-model.ts'
import { type Answer, startPlatform, until } from './platform.ts'
import { settledRun } from './settled-run.ts'
import { startServer, text, tool } from './tool-server.ts'
import { openVendorServer, type VendorReply } from './vendors/server.ts'
import { type Said, speech } from './vendors/speech.ts'

const platform = await startPlatform({
  ...{ WARREN_POOL_SIZE: '0', WARREN_MODEL: 'm-1', WARREN_MODEL_KEYS: 'sk-of-the-vendor-0123456789' },
  WARREN_MCP_OPEN: '127.0.0.0/8',
})

/** Looks like one to whoever looks at its first bytes; the rest looks like secrets, which must not be taken out of it. */
const png = Buffer.concat([
  Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
  Buffer.from(`eyJ AKIA${'0'.repeat(16)}`.repeat(40)),
])
const gif = Buffer.from('GIF89a and more of it')
const given = (...images: Buffer[]) => ({ images: images.map((bytes) => ({ data: bytes.toString('base64') })) })

const settled = (runId: string): Promise<Answer> => settledRun(platform, runId)
const agent = { name: 'sees', instructions: 'Look.', tools: ['calculator'] }
const start = async (body: object): Promise<string> =>
  (await platform.json('POST', '/v1/runs', { agent, input: 'What is it?', ...body })).runId

for (const api of apis)
  describe(`images in a run whose model speaks ${api}`, () => {
    let vendor: Awaited<ReturnType<typeof openVendorServer>>
    const settings = () => ({ WARREN_MODEL_API: api, WARREN_MODEL_URL: vendor.url })
    const says = (said: Said): VendorReply => ({ body: speech[api](said).events })
    const calls = (name: string, args: object): VendorReply =>
      says({ calls: [{ id: 'call_1', name, arguments: JSON.stringify(args) }] })
    /** What the model was shown in its last question, by roles. */
    const shown = (): [string, ImagePart[]][] => {
      const { request } = wireOf(api, 'compatible').readRequest(JSON.parse(vendor.requests.at(-1)!.body))
      return request.messages.map(({ role, content }) => [
        role,
        (content as InputPart[]).filter((part) => part.type === 'image'),
      ])
    }
    const bytesShown = () => shown().flatMap(([, images]) => images.map(({ data }) => Buffer.from(data!, 'base64')))
    before(async () => {
      vendor = await openVendorServer()
      await platform.kill('SIGTERM')
      await platform.start(settings())
    })
    after(() => vendor.close())

    test('those of the task are shown with each question, are beside the journal once, and it is the same when done again', async () => {
      vendor.answer(calls('calculator', { expression: '6*7' }), says({ text: 'A plot.' }))
      const found = await settled(await start(given(png, gif)))
      assert.deepEqual([found.state, found.output], ['done', 'A plot.'], JSON.stringify(found))
      assert.deepEqual(bytesShown(), [png, gif])
      assert.deepEqual(
        shown().flatMap(([role, images]) => images.map(({ mediaType }) => [role, mediaType])),
        [
          ['user', 'image/png'],
          ['user', 'image/gif'],
        ],
      )
      const { entries } = await platform.json('GET', `/v1/runs/${found.runId}/trace?limit=10000`)
      assert.doesNotMatch(JSON.stringify(entries), new RegExp(png.toString('base64').slice(20, 60)))
      assert.deepEqual(
        entries[0].data.images.map(({ mediaType, bytes }: Answer) => [mediaType, bytes]),
        [
          ['image/png', png.length],
          ['image/gif', gif.length],
        ],
      )
      const asked = vendor.requests.length
      assert.deepEqual(await platform.json('POST', `/v1/runs/${found.runId}/replay`, {}), { diverged: false, steps: 2 })
      assert.equal(vendor.requests.length, asked)
      const fork = await platform.json('POST', `/v1/runs/${found.runId}/fork`, { at: 1 })
      assert.equal((await settled(fork.runId)).state, 'done')
      assert.deepEqual(bytesShown(), [png, gif])
    })

    test('those of a message are shown from then on, also by the process after a kill -9', async () => {
      vendor.answer(says({ text: 'Hm.' }))
      const { runId } = await platform.json('POST', '/v1/sessions', { agent })
      await settled(runId)
      await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: 'Look.', ...given(gif) })
      await until('it has answered', async () => (await settled(runId)).steps === 1)
      assert.deepEqual(bytesShown(), [gif])
      vendor.answer({ body: '', hangs: true })
      const asked = vendor.requests.length
      await platform.json('POST', `/v1/sessions/${runId}/messages`, { text: 'And this?', ...given(png) })
      await until('it is asked', () => vendor.requests.length > asked)
      await platform.kill('SIGKILL')
      vendor.answer(says({ text: 'Both.' }))
      await platform.start(settings())
      assert.equal(
        (
          await until('it has answered again', async () => {
            const found = await settled(runId)
            return found.steps === 2 ? found : undefined
          })
        ).output,
        'Both.',
      )
      assert.deepEqual(bytesShown(), [gif, png])
    })

    test('those that a tool of others answers are shown; what is none is told of', async () => {
      const image = (data: string) => ({ type: 'image', mimeType: 'image/png', data })
      const content = [...text('Drawn.').content, image(png.toString('base64')), image('bm90IGFuIGltYWdl')]
      const server = await startServer([tool('draw')], () => ({ content }))
      vendor.answer(calls('pens__draw', { n: 1 }), says({ text: 'Seen.' }))
      const mcp = [{ name: 'pens', url: server.url }]
      const found = await settled(await start({ agent: { ...agent, mcp } }))
      assert.equal(found.output, 'Seen.', JSON.stringify(found))
      assert.deepEqual(bytesShown(), [png])
      const { entries } = await platform.json('GET', `/v1/runs/${found.runId}/trace?limit=10000`)
      const ended = entries.find(({ type }: Answer) => type === 'tool.ended').data
      assert.match(ended.text, /^Drawn\.\n\[image, image\/png, \d+ bytes\]\n\[image, image\/png, 12 bytes\]$/)
      assert.equal(ended.images.length, 1)
      assert.equal((await platform.json('POST', `/v1/runs/${found.runId}/replay`, {})).diverged, false)
    })
  })

test('a plan shows the images of its task to the planner and to each step', async () => {
  const vendor = await openVendorServer()
  after(() => vendor.close())
  await platform.kill('SIGTERM')
  await platform.start({ WARREN_MODEL_API: 'openai-chat', WARREN_MODEL_URL: vendor.url })
  const says = (said: Said): VendorReply => ({ body: speech['openai-chat'](said).events })
  const plan = { steps: [{ id: 'look', task: 'Look at it.' }] }
  vendor.answer(
    says({ calls: [{ id: 'call_1', name: 'make_plan', arguments: JSON.stringify(plan) }] }),
    says({ text: 'A hare.' }),
    says({ text: 'It is a hare.' }),
  )
  const found = await settled(await start({ agent: { ...agent, policy: 'plan' }, ...given(png) }))
  assert.equal(found.output, 'It is a hare.', JSON.stringify(found))
  const seen = vendor.requests.map(({ body }) => body.split(png.toString('base64')).length - 1)
  assert.deepEqual(seen, [1, 1, 1])
  assert.equal((await platform.json('POST', `/v1/runs/${found.runId}/replay`, {})).diverged, false)
})

test('what is no image, too large or too many is refused, and nothing begins', async () => {
  const before = (await platform.json('GET', '/v1/runs')).runs.length
  const refused = async (body: object, status = 400) => {
    const answer = await platform.call('POST', '/v1/runs', { agent, input: 'x', ...body })
    assert.equal(answer.status, status, await answer.text())
  }
  await refused({ images: [{ data: 'bm90IGFuIGltYWdl' }] })
  await refused({ images: [{ data: `${png.toString('base64')}!` }] })
  await refused({ images: [{ url: 'https://example.com/a.png' }] })
  await refused(given(...Array.from({ length: 9 }, () => gif)))
  await refused(given(Buffer.concat([gif, Buffer.alloc(5 * 1024 * 1024)])))
  await refused(given(...Array.from({ length: 4 }, () => Buffer.concat([gif, Buffer.alloc(4_900_000)]))), 413)
  assert.equal((await platform.json('GET', '/v1/runs')).runs.length, before)
})
