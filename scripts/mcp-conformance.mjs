// Runs the conformance suite of the Model Context Protocol against /mcp of a platform that runs:
//   WARREN_URL=http://127.0.0.1:7070 WARREN_API_KEY=… node scripts/mcp-conformance.mjs
// The suite knows no keys, so it speaks to a door beside the platform that shows ours. It is fetched by npx: it brings 122 packages,
// which is why it is no dependency. Only the scenarios are run that need no tools, resources or prompts made for the suite itself.
// Then the suite is the server, and an agent of the platform its client: that needs WARREN_MCP_OPEN=127.0.0.0/8 there.
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
  await run(['server', '--url', url, '--scenario', scenario])
}
door.close()
door.closeAllConnections()

// What an agent is to call in each scenario. Those of OAuth are left out: keys are secrets of the agent's owner here.
const clientScenarios = {
  initialize: [],
  tools_call: [{ name: 'suite__add_numbers', arguments: { a: 5, b: 3 } }],
  'sse-retry': [{ name: 'suite__test_reconnection', arguments: {} }],
}
const client = `${process.execPath} ${new URL('mcp-conformance-agent.mjs', import.meta.url).pathname}`
for (const [scenario, calls] of Object.entries(clientScenarios))
  await run(['client', '--command', client, '--scenario', scenario], { WARREN_CALLS: JSON.stringify(calls) })

async function run(options, env = {}) {
  const child = spawn('npx', ['--yes', suite, ...options], { stdio: 'inherit', env: { ...process.env, ...env } })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) process.exitCode = 1
}
