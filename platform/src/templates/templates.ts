import { WarrenError } from '../errors.ts'
import type { Template } from './template.ts'

const base: Template = {
  name: 'base',
  description:
    "The host's own /usr, read-only, with a fresh /etc, /home/user, /tmp and /var; users `user` (1000) and root.",
}

/** The templates that a sandbox can start from. */
export interface Templates {
  list(): Promise<Template[]>
  /** Throws `not_found` when there is no such template. */
  find(name: string): Promise<Template>
}

export function createTemplates(): Templates {
  const byName = new Map([[base.name, base]])
  return {
    list: async () => [...byName.values()],
    find: async (name) => {
      const template = byName.get(name)
      if (template) return template
      throw new WarrenError('not_found', `no template is named "${name}"`, {
        hint: `There are: ${[...byName.keys()].join(', ')}.`,
      })
    },
  }
}
