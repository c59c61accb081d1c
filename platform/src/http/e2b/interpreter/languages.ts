import { type ContextLanguage, contextLanguages } from '../../../sandboxes/contexts/context.ts'
import { Refusal } from '../refusal.ts'

const aliases: Record<string, ContextLanguage> = { js: 'javascript', ts: 'typescript' }

/** A language as clients write it. Throws 500, which is what clients of E2B get for one that cannot be started. */
export function languageNamed(name: string): ContextLanguage {
  const lower = name.toLowerCase()
  const found = Object.hasOwn(aliases, lower) ? aliases[lower] : contextLanguages.find((known) => known === lower)
  if (found) return found
  throw new Refusal(500, `no language "${name.slice(0, 64)}" is offered; there are ${contextLanguages.join(', ')}`)
}

/** Each language has a context that is there without being made. Its id is the name of the language. */
export function defaultContextOf(id: string): ContextLanguage | undefined {
  return contextLanguages.find((language) => language === id)
}
