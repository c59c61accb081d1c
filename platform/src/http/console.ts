import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/** Joins a client with the serial console of a machine until either ends: bytes both ways, in binary messages. */
export function connectConsole(client: WebSocket, console: Duplex): void {
  client.on('error', () => client.terminate())
  client.on('message', (data: Buffer, isBinary) => {
    if (isBinary) console.write(data)
  })
  client.on('close', () => console.destroy())
  console.on('data', (data: Buffer) => {
    // The monitor leaves out what a slow reader does not take; nothing is kept here for it.
    console.pause()
    client.send(data, () => console.resume())
  })
  console.on('error', () => {})
  console.on('close', () => client.close(1000, 'the machine has ended'))
}
