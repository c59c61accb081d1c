import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import type { Contents } from '../../src/buckets/contents.ts'
import { newId } from '../../src/lib/id.ts'

const mib = 1024 * 1024

/** What every store of contents does. `left` answers how many files there are, of contents and of what is left of them. */
export function contentsContract(name: string, contents: Contents, left: () => Promise<number>): void {
  const written = async (content: Buffer, pieceBytes = 64 * 1024) => {
    const id = newId('o')
    await contents.write(id, inPieces(content, pieceBytes), async () => {})
    return id
  }
  const read = async (id: string, offset: number, length: number) =>
    buffer((await contents.read(id, { offset, length }))!)

  for (const size of [0, 1, 8 * mib - 1, 8 * mib, 8 * mib + 1, 20 * mib]) {
    test(`${name}: ${size} bytes come back as they were, whole and in parts`, async () => {
      const content = randomBytes(size)
      const id = await written(content)
      assert.equal(digestOf(await read(id, 0, size)), digestOf(content))
      if (size > 1) {
        const [offset, length] = [Math.floor(size / 3), Math.floor(size / 2)]
        assert.equal(digestOf(await read(id, offset, length)), digestOf(content.subarray(offset, offset + length)))
        assert.deepEqual(await read(id, size - 1, 1), content.subarray(-1))
        assert.equal((await read(id, 1, 0)).length, 0)
      }
      await contents.remove(id)
      assert.equal(await contents.read(id, { offset: 0, length: size || 1 }), undefined)
      assert.equal(await left(), 0)
    })
  }

  test(`${name}: what is not there is undefined, and may be removed`, async () => {
    const id = newId('o')
    assert.equal(await contents.read(id, { offset: 0, length: 1 }), undefined)
    await contents.remove(id)
    await contents.remove(id)
  })

  for (const size of [1 * mib, 20 * mib]) {
    test(`${name}: a source that breaks off after ${size} bytes leaves nothing, and its reason is told`, async () => {
      const id = newId('o')
      async function* breaking() {
        yield* inPieces(randomBytes(size), mib)
        throw new RangeError('it broke off')
      }
      let begun: string | undefined
      const began = async (upload: string) => {
        begun = upload
      }
      const told = (error: Error) => /broke off/.test(String(error.cause ?? error))
      await assert.rejects(contents.write(id, breaking(), began), told)
      await contents.remove(id, begun)
      assert.equal(await contents.read(id, { offset: 0, length: 1 }), undefined)
      assert.equal(await left(), 0)
    })
  }

  test(`${name}: what somebody reads goes on to its end when the content is removed meanwhile`, async () => {
    const content = randomBytes(4 * mib)
    const id = await written(content)
    const stream = (await contents.read(id, { offset: 0, length: content.length }))!
    await contents.remove(id)
    assert.equal(digestOf(await buffer(stream)), digestOf(content))
  })

  test(`${name}: twenty are written at once`, async () => {
    const all = await Promise.all(
      Array.from({ length: 20 }, async (_, at) => {
        const content = randomBytes(1000 + at)
        return { id: await written(content, 100), content }
      }),
    )
    for (const { id, content } of all) assert.deepEqual(await read(id, 0, content.length), content)
    for (const { id } of all) await contents.remove(id)
    assert.equal(await left(), 0)
  })
}

async function* inPieces(content: Buffer, bytes: number): AsyncGenerator<Buffer> {
  for (let from = 0; from < content.length; from += bytes) yield content.subarray(from, from + bytes)
}

function digestOf(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}
