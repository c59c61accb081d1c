import { createSocket } from 'node:dgram'
import dns from 'node:dns'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import packet from 'dns-packet'

/**
 * Lets every name below `domain` lead to this machine, for what runs in this process: what a wildcard record does
 * elsewhere. `Undo` with the function that is answered.
 */
export function nameHere(domain: string): () => void {
  const original = dns.lookup
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of lookup are passed through as they come
  const here = (name: string, ...rest: any[]) => {
    const target = name === domain || name.endsWith(`.${domain}`) ? '127.0.0.1' : name
    // biome-ignore lint/suspicious/noExplicitAny: as above
    return (original as any)(target, ...rest)
  }
  dns.lookup = Object.assign(here, original) as typeof dns.lookup
  return () => {
    dns.lookup = original
  }
}

/**
 * The beginning of a command that finds every name below `domain` on this machine, whatever it is written in: in a mount
 * namespace of its own, with a name server that knows nothing else. Needs root.
 */
export async function withNamesHere(domain: string, folder: string): Promise<{ argv: string[]; close: () => void }> {
  const address = '127.7.0.53'
  const server = createSocket('udp4')
  server.on('message', (bytes, from) => {
    const query = packet.decode(bytes)
    const asked = query.questions?.[0]
    const known = asked && (asked.name === domain || asked.name.endsWith(`.${domain}`))
    const answers = known && asked.type === 'A' ? [{ type: 'A' as const, name: asked.name, data: '127.0.0.1' }] : []
    const flags = packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | (known ? 0 : 3)
    server.send(
      packet.encode({ type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], answers }),
      from.port,
      from.address,
    )
  })
  server.bind(53, address)
  await once(server, 'listening')
  const file = join(folder, 'resolv.conf')
  await writeFile(file, `nameserver ${address}\n`)
  const script = `mount --bind '${file}' /etc/resolv.conf && exec "$@"`
  return { argv: ['unshare', '--mount', 'sh', '-c', script, 'sh'], close: () => server.close() }
}
