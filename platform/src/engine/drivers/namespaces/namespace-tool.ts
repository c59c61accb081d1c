import type { CommandResult } from '../../../lib/run-command.ts'
import type { InstanceSpec } from '../../driver.ts'

/** Where the keeper opens the system call filter for whoever is to install it. */
export const seccompFd = 4

/** Where a tool that waits at a gate finds it. */
export const gateFd = 5
/** From here on a tool has files of its own. */
export const firstOwnFd = 6

export interface RootPlace {
  /** Folder that the root is mounted on, or has been. */
  path: string
  /** The keeper has mounted a size-limited root there, with the guest agent and what is shared of the host. Else the tool makes one in memory. */
  prepared: boolean
}

export interface ToolPlan {
  argv: string[]
  /** Files the tool finds open, by descriptor; all above `seccompFd`. */
  open: [fd: number, path: string][]
  /** It waits for a byte at `gateFd` before it starts the agent. */
  gated?: boolean
}

export type Examined = { usable: true; description: string } | { usable: false; reason: string }

/** A program that runs another one in namespaces of its own, with no rights but those of whoever starts it. */
export interface NamespaceTool {
  /** Tries it out: `run` executes a command as whoever will start the sandboxes. */
  examine(run: (argv: [string, ...string[]]) => Promise<CommandResult>): Promise<Examined>
  /** How to start the guest agent, with `agentOptions`, as the first process of an instance. */
  plan(spec: InstanceSpec, from: { root: RootPlace; guestBinary: string; agentOptions: string[] }): Promise<ToolPlan>
}
