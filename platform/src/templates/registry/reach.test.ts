import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isInsecure } from './reach.ts'

test('plain HTTP is for loopback and for registries that are named', () => {
  assert.ok(isInsecure('127.0.0.1:5000', []) && isInsecure('localhost:5000', []))
  assert.ok(isInsecure('hub.lan:5000', ['hub.lan:5000']) && isInsecure('hub.lan:5000', ['hub.lan']))
  for (const host of ['hub.lan:5001', 'hub.lan.example.com', '127.0.0.1.example.com', 'docker.io'])
    assert.ok(!isInsecure(host, ['hub.lan:5000']), host)
})
