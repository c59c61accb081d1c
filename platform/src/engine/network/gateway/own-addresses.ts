import { createSocket } from 'node:dgram'
import { networkInterfaces } from 'node:os'

/** How long a list of the host's addresses is believed, milliseconds. */
const listMs = 1000

/** Tells which addresses are this host's own: those of its interfaces, those it was told, and whatever else it answers to. */
export class OwnAddresses {
  #told = new Set<string>()
  #listed = new Set<string>()
  #listedAt = Number.NEGATIVE_INFINITY

  tell(addresses: readonly string[]): void {
    this.#told = new Set(addresses)
  }

  async has(address: string): Promise<boolean> {
    const now = performance.now()
    if (now - this.#listedAt > listMs) {
      this.#listed = interfaceAddresses()
      this.#listedAt = now
    }
    return this.#told.has(address) || this.#listed.has(address) || (await isLocal(address))
  }
}

export function interfaceAddresses(): Set<string> {
  return new Set(
    Object.values(networkInterfaces())
      .flat()
      .filter((found) => found?.family === 'IPv4')
      .map((found) => found!.address),
  )
}

/** To an address of its own the kernel speaks from that very address. Nothing is sent. */
function isLocal(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4')
    const answer = (local: boolean) => {
      socket.close()
      resolve(local)
    }
    socket.once('error', () => answer(false))
    socket.connect(9, address, () => answer(socket.address().address === address))
  })
}
