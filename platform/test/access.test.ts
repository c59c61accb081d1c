import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fastify } from 'fastify'
import { accessControl } from '../src/http/access.ts'

test('a route that declares no permission is refused when it is added', async () => {
  const app = fastify()
  accessControl(app, {
    admitAnyone: async () => {},
    admit: async () => {
      throw new Error('nobody asks')
    },
  })
  app.get('/open', { config: { permission: 'anyone' } }, async () => 'come in')
  assert.throws(() => app.get('/forgotten', async () => 'come in'), /GET \/forgotten declares no permission/)
  assert.equal((await app.inject('/open')).body, 'come in')
  await app.close()
})
