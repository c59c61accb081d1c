// Started by the conformance suite with the address of its server: an agent of the platform at WARREN_URL calls WARREN_CALLS there.
const { WARREN_URL, WARREN_API_KEY, WARREN_CALLS } = process.env
const headers = { 'x-api-key': WARREN_API_KEY!, 'content-type': 'application/json' }
const calls = JSON.parse(WARREN_CALLS!) as object[]
const script = [...calls.map((call) => ({ calls: [call] })), { text: 'Done.' }]
const mcp = [{ name: 'suite', url: process.argv.at(-1) }]
const agent = { name: 'conformance', model: 'scripted', script, mcp }

const ask = async (path: string, body?: object): Promise<{ runId: string; state: string }> => {
  const init = body ? { method: 'POST', body: JSON.stringify(body) } : {}
  return (await (await fetch(`${WARREN_URL}${path}`, { ...init, headers })).json()) as { runId: string; state: string }
}
let run = await ask('/v1/runs', { agent, input: 'Go.' })
while (run.state === 'queued' || run.state === 'running') {
  await new Promise((resolve) => setTimeout(resolve, 50))
  run = await ask(`/v1/runs/${run.runId}`)
}
if (run.state !== 'done') throw new Error(JSON.stringify(run))
