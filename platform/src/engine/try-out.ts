import { WarrenError } from '../errors.ts'
import type { GuestClient } from './guest/client.ts'

/**
 * Runs a program that does nothing, of which nothing is kept: a sign of life, and what the first program of whoever gets the
 * sandbox would have to wait for (pages of the agent, the C library found on this disk) is there by then.
 */
export async function tryOut(guest: GuestClient, signal: AbortSignal): Promise<void> {
  try {
    const shell = await guest.exec({ argv: ['/bin/sh', '-c', ':'], trial: true }, signal)
    for await (const _ of shell.output());
    await shell.exit
  } catch (error) {
    // Nothing says that a template has a shell, and an agent that says so lives.
    if (!(error instanceof WarrenError) || !['not_found', 'forbidden', 'invalid_request'].includes(error.code))
      throw error
  }
}
