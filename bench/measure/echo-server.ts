import { createServer } from 'node:http'

// The least an HTTP server in Node can do: the reference that a round trip to the platform is compared with.
const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.setHeader('content-type', 'application/json')
    response.end('{"ok":true}')
  })
})
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  if (address && typeof address === 'object') process.stdout.write(`ready http://127.0.0.1:${address.port}\n`)
})
process.on('disconnect', () => process.exit())
