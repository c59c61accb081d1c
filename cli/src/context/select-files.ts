import { patternOf } from './ignore.ts'
import type { ContextEntry } from './list-context.ts'

/** What the sources of a COPY name, with everything below it. Answers the first source that names nothing, too. */
export function selectFiles(
  entries: ContextEntry[],
  sources: string[],
): { selected: ContextEntry[]; missing: string | undefined } {
  const chosen = new Set<ContextEntry>()
  let missing: string | undefined
  for (const source of sources) {
    const names = source.split('/').filter((name) => name !== '' && name !== '.')
    if (names.includes('..')) return { selected: [], missing: source }
    const pattern = patternOf(names.join('/'))
    const found = entries.filter(
      ({ path }) => names.length === 0 || pattern.test(path.split('/').slice(0, names.length).join('/')),
    )
    for (const entry of found) chosen.add(entry)
    if (found.length === 0 && names.length > 0) missing ??= source
  }
  return { selected: entries.filter((entry) => chosen.has(entry)), missing }
}
