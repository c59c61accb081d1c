import { once } from 'node:events'
import net from 'node:net'

/** A port of loopback that nobody listened on a moment ago. */
export async function freePort(): Promise<number> {
  const taken = net.createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as net.AddressInfo
  taken.close()
  await once(taken, 'close')
  return port
}
