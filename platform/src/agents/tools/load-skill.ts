import type { Skill } from '../skills/skill.ts'
import { theSandbox } from './resource-locks.ts'
import { guestOf, type InSandbox, object } from './sandbox-tools.ts'
import { type Tool, ToolError } from './tool.ts'

/** Comes with the skills of an agent: a model reads of each one line, and the rest when it wants to. */
export function loadSkill(skills: readonly Skill[], inside: InSandbox): Tool {
  const list = skills.map(({ name, description }) => `- ${name}: ${description}`).join('\n')
  return {
    name: 'load_skill',
    description: `Answers the instructions of a skill, and lays its files into your sandbox. Load one before you do what it is for. There are:\n${list}`,
    inputSchema: object({ name: { enum: skills.map(({ name }) => name) } }, ['name']),
    effect: 'idempotent',
    changesDisk: skills.some(({ files }) => files !== undefined),
    resources: ({ name }: { name: string }) => {
      const laysFiles = skills.some((skill) => skill.name === name && skill.files !== undefined)
      return laysFiles ? [theSandbox] : []
    },
    handler: async ({ signal }, { name }: { name: string }) => {
      const skill = skills.find((one) => one.name === name)
      if (!skill) throw new ToolError('not_found', `there is no skill ${name}`, { happened: false })
      const files = Object.entries(skill.files ?? {})
      if (files.length === 0) return skill.instructions
      const guest = await guestOf(inside)
      for (const [path, content] of files) {
        signal.throwIfAborted()
        // What begins like a program is one.
        const mode = content.startsWith('#!') ? { mode: 0o755 } : {}
        const options = { parents: true, atomic: true, ...mode }
        await guest.files.write(`skills/${name}/${path}`, Buffer.from(content), options, signal)
      }
      const laid = files.map(([path]) => `- skills/${name}/${path}`).join('\n')
      return `${skill.instructions}\n\n[In your sandbox there are now:\n${laid}]`
    },
  }
}
