import { fileURLToPath } from 'node:url'

export const guestBinary = fileURLToPath(new URL('../../../guest/target/release/warren-guest', import.meta.url))
