import type { CommandResult } from '../../../lib/run-command.ts'
import type { InstanceSpec } from '../../driver.ts'

/** Where the keeper opens the system call filter for whoever is to install it. */
export const seccompFd = 4

export interface RootPlace {
  /** Folder that the root is mounted on, or has been. */
  path: string
  /** The keeper has mounted a size-limited root there, guest agent included. Else the tool makes one in memory. */
  prepared: boolean
}

export interface ToolPlan {
  argv: string[]
  /** Files the tool finds open, by descriptor; all above `seccompFd`. */
  open: [fd: number, path: string][]
}

export type Examined = { usable: true; description: string } | { usable: false; reason: string }

/** A program that runs another one in namespaces of its own, with no rights but those of whoever starts it. */
export interface NamespaceTool {
  /** Tries it out: `run` executes a command as whoever will start the sandboxes. */
  examine(run: (argv: [string, ...string[]]) => Promise<CommandResult>): Promise<Examined>
  /** How to start the guest agent, with `agentOptions`, as the first process of an instance. */
  plan(spec: InstanceSpec, from: { root: RootPlace; guestBinary: string; agentOptions: string[] }): Promise<ToolPlan>
}
