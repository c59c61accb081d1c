import type { Tool } from './tool.ts'
import { agentTools } from './tools/agents.ts'
import { browserTools } from './tools/browser.ts'
import { fileTools } from './tools/files.ts'
import { programTools } from './tools/programs.ts'
import { sandboxTools } from './tools/sandboxes.ts'

/** Everything that can be called, in the order in which it is listed. */
export const tools: readonly Tool[] = [...sandboxTools, ...programTools, ...fileTools, ...browserTools, ...agentTools]
