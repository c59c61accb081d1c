import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
// @ts-expect-error it has no types
import S3rver from '@20minutes/s3rver'

/**
 * A server that speaks S3, made by others, with one empty bucket. It checks signatures. It cannot give up uploads in parts:
 * these requests are answered in front of it, and the uploads that they name are in `givenUp`. While `fails.putTogether` is
 * set, it tells that the parts of an upload could not be put together, as S3 may: with status 200.
 */
export async function startS3() {
  const directory = await mkdtemp(join(tmpdir(), 'warren-s3-'))
  const server = new S3rver({ directory, silent: true, vhostBuckets: false, configureBuckets: [{ name: 'kept' }] })
  await server.configureBuckets()
  const behind: http.Server = await server.listen(0, '127.0.0.1')
  const givenUp: string[] = []
  const fails = { putTogether: false }
  const front = http.createServer((request, response) => {
    const upload = new URL(request.url!, 'http://s3').searchParams.get('uploadId')
    if (request.method === 'DELETE' && upload) {
      givenUp.push(upload)
      return void response.writeHead(204).end()
    }
    if (request.method === 'POST' && upload && fails.putTogether) {
      request.resume()
      response.writeHead(200, { 'content-type': 'application/xml' })
      return void response.end('<Error><Code>InternalError</Code><Message>try again</Message></Error>')
    }
    const { method, url, headers } = request
    const passed = http.request({ port: portOf(behind), host: '127.0.0.1', method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    passed.on('error', () => response.destroy())
    request.pipe(passed)
  })
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  return {
    directory,
    givenUp,
    fails,
    settings: {
      url: `http://127.0.0.1:${portOf(front)}/kept`,
      region: 'us-east-1',
      accessKey: 'S3RVER',
      secretKey: 'S3RVER',
    },
    async close() {
      for (const one of [front, behind]) {
        one.close()
        one.closeAllConnections()
      }
      await rm(directory, { recursive: true, force: true })
    },
  }
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
