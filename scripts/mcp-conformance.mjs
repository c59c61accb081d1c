// Runs the conformance suite of the Model Context Protocol against /mcp of a platform that runs:
//   WARREN_URL=http://127.0.0.1:7070 WARREN_API_KEY=… node scripts/mcp-conformance.mjs
// The suite knows no keys, so it speaks to a door beside the platform that shows ours. It is fetched by npx: it brings 122 packages,
// which is why it is no dependency. Only the scenarios are run that need no tools, resources or prompts made for the suite itself.
import { spawn } from 'node:child_process'
import http from 'node:http'

const suite = '@modelcontextprotocol/conformance@0.1.16'
const scenarios = ['server-initialize', 'ping', 'tools-list', 'dns-rebinding-protection', 'server-sse-multiple-streams']
const { WARREN_URL = 'http://127.0.0.1:7070', WARREN_API_KEY = '' } = process.env
const { hostname, port } = new URL(WARREN_URL)

const door = http.createServer((request, response) => {
  const headers = { ...request.headers, 'x-api-key': WARREN_API_KEY }
  const onward = http.request({ hostname, port, path: request.url, method: request.method, headers }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  onward.on('error', () => response.destroy())
  response.on('close', () => onward.destroy())
  request.pipe(onward)
})
await new Promise((resolve) => door.listen(0, '127.0.0.1', resolve))

for (const scenario of scenarios) {
  const url = `http://127.0.0.1:${door.address().port}/mcp`
  const child = spawn('npx', ['--yes', suite, 'server', '--url', url, '--scenario', scenario], { stdio: 'inherit' })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) process.exitCode = 1
}
door.close()
door.closeAllConnections()
