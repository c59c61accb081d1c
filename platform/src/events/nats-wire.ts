import type { NatsLink } from './nats-link.ts'
import type { OpenWire } from './wire.ts'

const subject = 'warren.told'

/** A message without content to all others; the events themselves are read in the outbox. */
export function natsWire(link: NatsLink): OpenWire {
  return async (heard) => {
    link.onUp((connection, gone) => {
      gone.addEventListener('abort', heard)
      connection.subscribe(subject, { callback: () => heard() })
      // What was told while there was no connection was missed.
      heard()
    })
    return {
      isUp: () => link.connection !== undefined,
      tell: () => link.connection?.publish(subject),
      close: async () => {},
    }
  }
}
