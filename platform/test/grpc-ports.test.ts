import { test } from 'node:test'
import { mintAuthority, mintCertificate } from '../src/lib/certificate.ts'
import { checkGrpcPort } from './contracts/grpc-port.ts'
import { startPlatform } from './platform.ts'

test('programs inside that serve gRPC are reached at their ports: calls, streams, trailers, refusals, ends, in TLS too', async () => {
  const platform = await startPlatform()
  const network = { httpsPorts: [9443], allowPublicTraffic: false }
  const { sandboxID } = await platform.json('POST', '/v2/sandboxes', { templateID: 'base', network, timeout: 600 })
  const path = `/v1/sandboxes/${sandboxID}`
  const now = new Date()
  const { certificate, key } = mintCertificate(mintAuthority('inside', { now }), { names: ['localhost'], days: 1, now })
  await platform.call('PUT', `${path}/files?path=/tmp/pair.pem`, certificate + key)
  await checkGrpcPort(platform, path, true)
})
