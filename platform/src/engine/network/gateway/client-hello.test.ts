import assert from 'node:assert/strict'
import { Duplex } from 'node:stream'
import { test } from 'node:test'
import { connect } from 'node:tls'
import { readClientHello } from './client-hello.ts'

/** What TLS says first for this name. */
function helloFor(servername: string | undefined, protocols: string[] = []): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read() {}, write: (chunk: Buffer) => resolve(chunk) })
    connect({
      socket,
      ...(servername ? { servername } : {}),
      ...(protocols.length > 0 ? { ALPNProtocols: protocols } : {}),
    }).on('error', () => {})
  })
}

test('readClientHello() finds the name, also when the message comes in pieces or in several records', async () => {
  const whole = await helloFor('www.example.com')
  const found = { complete: true, valid: true, name: 'www.example.com', encrypted: false, offersHttp2: false }
  assert.deepEqual(readClientHello(whole), found)
  for (let length = 0; length < whole.length; length++)
    assert.deepEqual(readClientHello(whole.subarray(0, length)), { complete: false }, String(length))
  const body = whole.subarray(5)
  const records = [body.subarray(0, 1), body.subarray(1, 60), body.subarray(60)].map((part) => {
    const head = Buffer.from([22, 3, 1, 0, 0])
    head.writeUInt16BE(part.length, 3)
    return Buffer.concat([head, part])
  })
  assert.deepEqual(readClientHello(Buffer.concat(records)), found)
})

test('readClientHello() says when there is no name, and when it is no hello at all', async () => {
  const nameless = readClientHello(await helloFor(undefined))
  assert.deepEqual(nameless, { complete: true, valid: true, name: undefined, encrypted: false, offersHttp2: false })
  for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0-x\r\n', '\x16\x02\x00\x00\x05xxxxx', '\x16\x03\x01\x00\x00'])
    assert.deepEqual(readClientHello(Buffer.from(text, 'latin1')), { complete: true, valid: false }, text)
})

test('readClientHello() says whether HTTP/2 is offered', async () => {
  const offers = async (...protocols: string[]) => {
    const hello = readClientHello(await helloFor('www.example.com', protocols))
    return hello.complete && hello.valid && hello.offersHttp2
  }
  assert.equal(await offers('h2', 'http/1.1'), true)
  assert.equal(await offers('http/1.1', 'h2'), true)
  assert.equal(await offers('http/1.1', 'h2x'), false)
})

test('readClientHello() survives whatever is changed in a hello', async () => {
  const whole = await helloFor('www.example.com', ['h2', 'http/1.1'])
  for (let at = 0; at < whole.length; at++) {
    for (const value of [0, 1, 127, 255]) {
      const changed = Buffer.from(whole)
      changed[at] = value
      readClientHello(changed)
    }
  }
})
