import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { startPlatform } from './platform.ts'

/*
 * The conformance suite of the Model Context Protocol, as its authors have released it: first against /mcp of a platform, then as a
 * server that an agent of the platform is the client of.
 */

const suite = fileURLToPath(import.meta.resolve('@modelcontextprotocol/conformance/dist/index.js'))
const folder = await mkdtemp(join(tmpdir(), 'warren-conformance-'))
after(() => rm(folder, { recursive: true, force: true }))

const ofServer = ['server-initialize', 'ping', 'tools-list', 'dns-rebinding-protection', 'server-sse-multiple-streams']
/** What an agent is to call in each. */
const ofClient: Record<string, object[]> = {
  initialize: [],
  tools_call: [{ name: 'suite__add_numbers', arguments: { a: 5, b: 3 } }],
  'sse-retry': [{ name: 'suite__test_reconnection', arguments: {} }],
}

/** By the beginnings of their names, why they say nothing of us. */
const leftOut = {
  'tools-call-': 'wants tools that are made for the suite',
  'json-schema-2020-12': 'wants a tool that is made for the suite',
  'elicitation-': 'Warren asks nobody anything over this protocol',
  'resources-': 'Warren has no resources',
  'prompts-': 'Warren has no prompts',
  'completion-complete': 'completes arguments of prompts and resources',
  'logging-set-level': 'Warren sends no log over this protocol',
  'server-sse-polling':
    'Warren keeps no streams, so there is none to poll; without a tool of the suite it holds of any server',
  'auth/': 'keys of servers of tools are secrets of the owner of an agent: OAuth is not spoken',
}

/** What it prints; rejects where it says that something failed. */
function suiteWith(options: string[], env: Record<string, string> = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const given = { cwd: folder, env: { ...process.env, ...env, NO_COLOR: '1' }, timeout: 60_000 }
    execFile(process.execPath, [suite, ...options], given, (error, stdout, stderr) =>
      error ? reject(new Error(`${options.join(' ')}\n${stdout}\n${stderr}`)) : resolve(stdout),
    )
  })
}

const platform = await startPlatform({ WARREN_POOL_SIZE: '0', WARREN_MCP_OPEN: '127.0.0.0/8' })

/** The suite knows no keys, so it speaks to a door that shows ours. */
async function openDoor(): Promise<string> {
  const door = http.createServer((request, response) => {
    const { method, url: path } = request
    const headers = { ...request.headers, 'x-api-key': platform.key }
    const onward = http.request(platform.url + path, { method: method!, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  })
  door.listen(0, '127.0.0.1')
  await once(door, 'listening')
  after(() => {
    door.closeAllConnections()
    door.close()
  })
  return `http://127.0.0.1:${(door.address() as AddressInfo).port}/mcp`
}

test('each scenario of the suite is run, or is named with why it is not', async () => {
  const listed = (await suiteWith(['list'])).matchAll(/^ {2}- (\S+) \[/gm)
  const names = [...listed].map(([, name]) => name!)
  const run = [...ofServer, ...Object.keys(ofClient)]
  const beginnings = Object.keys(leftOut)
  const unknown = names.filter((name) => !run.includes(name) && !beginnings.some((one) => name.startsWith(one)))
  assert.deepEqual(unknown, [])
  assert.deepEqual(
    [...run, ...beginnings].filter((one) => !names.some((name) => name.startsWith(one))),
    [],
  )
})

const url = await openDoor()
for (const scenario of ofServer)
  test(`as a server: ${scenario}`, async () => {
    assert.match(await suiteWith(['server', '--url', url, '--scenario', scenario]), /Passed: [1-9]\d*\/\d+, 0 failed/)
  })

const agent = fileURLToPath(new URL('mcp-conformance-agent.ts', import.meta.url))
for (const [scenario, calls] of Object.entries(ofClient))
  test(`as a client: ${scenario}`, async () => {
    const env = { WARREN_URL: platform.url, WARREN_API_KEY: platform.key, WARREN_CALLS: JSON.stringify(calls) }
    await suiteWith(['client', '--command', `${process.execPath} ${agent}`, '--scenario', scenario], env)
  })
