import { type Static, Type } from 'typebox'

const text = { format: 'plain-text' }

/** What an agent knows how to do: told by name at first, and in full when the model wants it. */
export const Skill = Type.Object(
  {
    name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,63}$', description: 'Lower-case letters, digits and dashes.' }),
    description: Type.String({
      minLength: 1,
      maxLength: 1024,
      ...text,
      description: 'What it is for and when: all that the model knows of it until it loads it.',
    }),
    instructions: Type.String({ minLength: 1, maxLength: 100_000, ...text }),
    files: Type.Optional(
      Type.Record(Type.String({ minLength: 1, maxLength: 255 }), Type.String({ maxLength: 200_000, ...text }), {
        maxProperties: 64,
        description:
          'Texts and programs that belong to it, by their paths in its folder: laid into the sandbox, below `skills/NAME`, when it is loaded.',
      }),
    ),
  },
  { additionalProperties: false, description: 'Instructions that are read when they are needed, with files.' },
)
export type Skill = Static<typeof Skill>

/** Why these cannot be the skills of an agent; undefined where they can. */
export function skillsFault(skills: readonly Skill[]): string | undefined {
  const names = new Set<string>()
  for (const { name, files = {} } of skills) {
    if (names.has(name)) return `two skills have the name "${name}"`
    names.add(name)
    const wrong = Object.keys(files).find((path) => !isInside(path))
    if (wrong !== undefined) return `skill "${name}": "${wrong}" is no path inside of its folder`
  }
  return undefined
}

function isInside(path: string): boolean {
  const parts = path.split('/')
  return parts.every((part) => part !== '' && part !== '.' && part !== '..') && !/[\0\\]/.test(path)
}
