// Started by the conformance suite with the address of its server: an agent of the platform at WARREN_URL calls WARREN_CALLS there.
const { WARREN_URL, WARREN_API_KEY, WARREN_CALLS } = process.env
const headers = { 'x-api-key': WARREN_API_KEY, 'content-type': 'application/json' }
const script = [...JSON.parse(WARREN_CALLS).map((call) => ({ calls: [call] })), { text: 'Done.' }]
const mcp = [{ name: 'suite', url: process.argv.at(-1) }]
const agent = { name: 'conformance', model: 'scripted', script, mcp }

const ask = async (path, body) => {
  const init = body ? { method: 'POST', body: JSON.stringify(body) } : {}
  return await (await fetch(`${WARREN_URL}${path}`, { ...init, headers })).json()
}
let { runId, state, ...rest } = await ask('/v1/runs', { agent, input: 'Go.' })
while (state === 'queued' || state === 'running') {
  await new Promise((resolve) => setTimeout(resolve, 50))
  ;({ state, ...rest } = await ask(`/v1/runs/${runId}`))
}
if (state !== 'done') throw new Error(`${state}: ${JSON.stringify(rest)}`)
