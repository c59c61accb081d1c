import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import net from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Case, Finding } from '../case.ts'
import { type Answer, type Door, isServed, request, sendRaw } from '../door.ts'
import type { Place } from '../place.ts'
import { commandLine } from '../traces.ts'

const nobody = 's00000000000000000000'
const otherOrigin = 'https://elsewhere.example'

/** Requests without a right to an answer: whoever gets status 200 got through. */
const withoutRight: Record<string, (door: Door) => string> = {
  no_key: (door) => request(door, 'GET', '/v1/sandboxes'),
  wrong_key: (door) => request(door, 'GET', '/v1/sandboxes', [`x-api-key: ${'0'.repeat(64)}`]),
  empty_key: (door) => request(door, 'GET', '/v1/sandboxes', ['x-api-key: ']),
  empty_bearer: (door) => request(door, 'GET', '/v1/sandboxes', ['authorization: Bearer ']),
  beginning_of_key: (door) => request(door, 'GET', '/v1/sandboxes', [`x-api-key: ${door.key.slice(0, -1)}`]),
  longer_key: (door) => request(door, 'GET', '/v1/sandboxes', [`x-api-key: ${door.key}0`]),
  key_in_address: (door) => request(door, 'GET', `/v1/sandboxes?api_key=${door.key}&key=${door.key}`),
  key_in_cookie: (door) => request(door, 'GET', '/v1/sandboxes', [`cookie: key=${door.key}; x-api-key=${door.key}`]),
  forwarded_for: (door) =>
    request(door, 'GET', '/v1/sandboxes', [
      'x-forwarded-for: 127.0.0.1',
      'x-forwarded-user: admin',
      'via: 1.1 localhost',
    ]),
  other_host: (door) => request(door, 'GET', '/v1/sandboxes', ['host: internal']),
  host_of_a_port: (door) => request(door, 'GET', '/', [`host: 8000-${door.sandboxId}.localhost`]),
  whole_address: (door) => request(door, 'GET', `${door.url}/v1/sandboxes`),
  double_slash: (door) => request(door, 'GET', '//v1//sandboxes'),
  dots_in_path: (door) => request(door, 'GET', '/health/../v1/sandboxes'),
  encoded_dots_in_path: (door) => request(door, 'GET', '/health/%2e%2e/v1/sandboxes'),
  port_without_key: (door) => request(door, 'GET', `/v1/sandboxes/${door.sandboxId}/ports/8000/`),
}

/** Requests with the key for what there is not, or what nobody may have. */
const withKey: Record<string, (door: Door) => [method: string, path: string]> = {
  unknown_sandbox: () => ['GET', `/v1/sandboxes/${nobody}`],
  unknown_sandbox_files: () => ['GET', `/v1/sandboxes/${nobody}/files/list?path=/`],
  unknown_sandbox_processes: () => ['GET', `/v1/sandboxes/${nobody}/processes`],
  unknown_sandbox_logs: () => ['GET', `/v1/sandboxes/${nobody}/logs`],
  unknown_sandbox_metrics: () => ['GET', `/v1/sandboxes/${nobody}/metrics`],
  unknown_sandbox_posture: () => ['GET', `/v1/sandboxes/${nobody}/posture`],
  unknown_sandbox_removed: () => ['DELETE', `/v1/sandboxes/${nobody}`],
  id_upwards: ({ sandboxId }) => ['GET', `/v1/sandboxes/..%2f..%2frun%2f${sandboxId}`],
  id_cut_by_nul: ({ sandboxId }) => ['GET', `/v1/sandboxes/${sandboxId}%00`],
  id_in_capitals: ({ sandboxId }) => ['GET', `/v1/sandboxes/${sandboxId.toUpperCase()}`],
  id_cut_short: ({ sandboxId }) => ['GET', `/v1/sandboxes/${sandboxId.slice(0, 8)}`],
  port_0: ({ sandboxId }) => ['GET', `/v1/sandboxes/${sandboxId}/ports/0/`],
  port_65536: ({ sandboxId }) => ['GET', `/v1/sandboxes/${sandboxId}/ports/65536/`],
  port_below_zero: ({ sandboxId }) => ['GET', `/v1/sandboxes/${sandboxId}/ports/-1/`],
  port_in_hexadecimal: ({ sandboxId }) => ['GET', `/v1/sandboxes/${sandboxId}/ports/0x50/`],
}

/** Bodies that a server must give back unread, or at least unharmed. */
const bodies: Record<string, () => { body: string | Buffer; headers?: string[] }> = {
  prototype: () => ({ body: '{"timeout":60,"__proto__":{"isAdmin":true}}' }),
  constructor_prototype: () => ({ body: '{"timeout":60,"constructor":{"prototype":{"isAdmin":true}}}' }),
  deep_json: () => ({ body: `${'['.repeat(50_000)}${']'.repeat(50_000)}` }),
  large_json: () => ({ body: `{"template":"${'a'.repeat(10 * 1024 * 1024)}"}` }),
  gzip_bomb: () => ({
    body: gzipSync(`{"template":"${'a'.repeat(50 * 1024 * 1024)}"}`),
    headers: ['content-encoding: gzip'],
  }),
  host_mount: () => ({ body: '{"timeout":60,"mounts":[{"source":"/","target":"/host"}]}' }),
  privileged: () => ({ body: '{"timeout":60,"privileged":true}' }),
}

/** The platform's one door. What is attempted there is tried on the weak one first. */
export const door: Case[] = [
  ...Object.entries(withoutRight).map(([name, bytes]) =>
    knocking(`door.${name}`, async (at) => gotThrough(await sendRaw(at, bytes(at)))),
  ),
  ...Object.entries(withKey).map(([name, words]) =>
    knocking(`door.${name}`, async (at) => {
      const [method, path] = words(at)
      return gotThrough(await sendRaw(at, request(at, method, path, [`x-api-key: ${at.key}`])))
    }),
  ),
  ...Object.entries(bodies).map(([name, made]) =>
    knocking(`door.${name}`, async (at) => {
      const { body, headers = [] } = made()
      const bytes = Buffer.from(body)
      const standard = [`x-api-key: ${at.key}`, 'content-type: application/json', `content-length: ${bytes.length}`]
      const answer = await sendRaw(
        at,
        Buffer.concat([Buffer.from(request(at, 'POST', '/v1/sandboxes', [...standard, ...headers])), bytes]),
      )
      if (answer.status >= 500 || !(await isServed(at))) return { open: true, saw: `status ${answer.status}` }
      return gotThrough(answer)
    }),
  ),
  knocking('door.long_headers', async (at) =>
    gotThrough(
      await sendRaw(
        at,
        request(at, 'GET', '/v1/sandboxes', [`x-api-key: ${at.key}`, `x-long: ${'a'.repeat(64 * 1024)}`]),
      ),
    ),
  ),
  knocking('door.two_lengths', async (at) => {
    const key = `x-api-key: ${at.key}`
    const hidden = request(at, 'GET', '/v1/sandboxes', [key])
    const head = request(at, 'POST', '/v1/sandboxes', [key, 'content-length: 4', 'transfer-encoding: chunked'])
    return gotThrough(await sendRaw(at, `${head}0\r\n\r\n${hidden}`))
  }),
  knocking('door.other_origin', async (at) => {
    const answer = await sendRaw(
      at,
      request(at, 'GET', '/v1/sandboxes', [`x-api-key: ${at.key}`, `origin: ${otherOrigin}`]),
    )
    const allowed = /^access-control-allow-origin: *(.*)$/im.exec(answer.head)?.[1]
    return { open: allowed === '*' || allowed === otherOrigin, saw: allowed ? `allows ${allowed}` : 'allows no origin' }
  }),
  knocking('door.terminal_without_key', async (at) => {
    const upgrade = [
      'connection: Upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      `sec-websocket-key: ${'A'.repeat(22)}==`,
    ]
    const answer = await sendRaw(at, request(at, 'GET', `/v1/sandboxes/${at.sandboxId}/terminal`, upgrade))
    return { open: answer.status === 101, saw: `status ${answer.status}` }
  }),
  knocking('door.other_method', async (at) => {
    const key = `x-api-key: ${at.key}`
    await sendRaw(at, request(at, 'GET', `/v1/sandboxes/${at.sandboxId}`, [key, 'x-http-method-override: DELETE']))
    const { status } = await sendRaw(at, request(at, 'GET', `/v1/sandboxes/${at.sandboxId}`, [key]))
    return { open: status === 404, saw: status === 200 ? 'the sandbox is there still' : `status ${status}` }
  }),
  knocking('door.label_as_query', async (at) => {
    const label = encodeURIComponent(`' OR '1'='1`)
    const { body, status } = await sendRaw(
      at,
      request(at, 'GET', `/v1/sandboxes?metadata.a=${label}`, [`x-api-key: ${at.key}`]),
    )
    return {
      open: body.includes('"id"'),
      saw: `status ${status}, ${body.includes('"id"') ? 'somebody' : 'nobody'} found`,
    }
  }),
  knocking('door.slow_clients', async (at) => {
    const { hostname, port } = new URL(at.url)
    const sockets = Array.from({ length: 200 }, () => net.connect(Number(port), hostname))
    for (const socket of sockets) socket.on('error', () => {}).write('GET /v1/sandboxes HTTP/1.1\r\nhost: a\r\n')
    try {
      const served = await isServed(at)
      return { open: !served, saw: served ? 'served beside 200 that stall' : 'nobody else is served' }
    } finally {
      for (const socket of sockets) socket.destroy()
    }
  }),
  {
    id: 'door.less_isolation_than_asked',
    run: async (place) => {
      const stronger = {
        namespaces: 'container',
        container: 'userspace-kernel',
        'userspace-kernel': 'microvm',
        microvm: 'microvm',
        none: 'none',
      } as const
      const isolation = { driver: place.driver, min: stronger[place.isolation] }
      if (place.isolation === 'microvm') return { notApplicable: 'there is nothing stronger to ask for' }
      const got = await place.warren.sandboxes.create({ isolation, timeout: 30 }).catch((error) => String(error.code))
      if (typeof got === 'string') return { open: false, saw: got }
      await got.kill()
      return { open: true, saw: `got ${got.info.runtime?.isolation}` }
    },
  },
  {
    id: 'door.key_told_to_program',
    // A request for a port carries the key, and the program behind the port must not see it.
    run: async (place) => seesKey(place, (cell) => `${place.server.url}/v1/sandboxes/${cell}/ports/7318/`),
    control: async ({ control }) => seesKey(control, () => 'http://127.0.0.1:7318/'),
  },
  {
    id: 'door.key_in_command_lines',
    run: async ({ server }) => {
      const holder = readdirSync('/proc').find((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(server.key))
      return { open: holder !== undefined, saw: holder ? `process ${holder}` : 'in none' }
    },
    control: async ({ control: { server }, token }) => {
      const child = spawn('sleep', ['20'], { argv0: `sleep-${token}`, stdio: 'ignore' })
      try {
        return {
          open: server.key !== '' && commandLine(String(child.pid)).includes(token),
          saw: 'arguments are seen by everybody',
        }
      } finally {
        child.kill()
      }
    },
  },
]

/** An attempt at the platform's door, tried on the weak one first. */
function knocking(id: string, knock: (at: Door) => Promise<Finding>): Case {
  return {
    id,
    run: async (place) => {
      const { sandbox } = await place.main()
      return knock({ ...place.server, sandboxId: sandbox.id })
    },
    control: ({ weakDoor }) => knock(weakDoor),
  }
}

function gotThrough({ status }: Answer): Finding {
  return { open: status >= 200 && status < 300, saw: status === 0 ? 'hung up without an answer' : `status ${status}` }
}

async function seesKey(place: Place, url: (id: string) => string): Promise<Finding> {
  const cell = await place.main()
  const process = await cell.holds(['show-request', '7318', '60'])
  try {
    const { key } = place.server
    const headers = { 'x-api-key': key, authorization: `Bearer ${key}`, 'x-copy': key }
    const seen = await (await fetch(url(cell.sandbox.id), { headers })).text()
    if (!/^GET /.test(seen)) throw new Error(`the program did not answer: ${seen.slice(0, 200)}`)
    return { open: seen.includes(key), saw: seen.includes(key) ? 'it reads the key' : 'the request without the key' }
  } finally {
    await process.kill()
  }
}
