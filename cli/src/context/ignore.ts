/** Says of paths relative to the folder, with "/" between names, which are left out. */
export interface Ignore {
  isIgnored(path: string): boolean
  /** Whether something below an ignored folder may be kept all the same. */
  hasExceptions: boolean
}

interface Rule {
  matches: RegExp
  keeps: boolean
}

/**
 * Reads a `.dockerignore`: one pattern a line, `*`, `?`, `[…]` and `**`, `#` for comments, `!` for what is kept after all.
 * The last pattern that a path or a folder above it fits decides.
 */
export function parseIgnore(text: string): Ignore {
  const rules = text
    .replace(/^\ufeff/, '')
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .filter(Boolean)
    .flatMap((line) => ruleOf(line) ?? [])
  return {
    hasExceptions: rules.some(({ keeps }) => keeps),
    isIgnored: (path) => {
      const rule = rules.findLast(({ matches }) => withParents(path).some((part) => matches.test(part)))
      return rule !== undefined && !rule.keeps
    },
  }
}

function ruleOf(line: string): Rule | undefined {
  const keeps = line.startsWith('!')
  const names: string[] = []
  for (const name of line
    .slice(keeps ? 1 : 0)
    .trim()
    .split('/')) {
    if (name === '..') names.pop()
    else if (name !== '' && name !== '.') names.push(name)
  }
  return names.length > 0 ? { keeps, matches: patternOf(names.join('/')) } : undefined
}

/** `a/b/c` is `a`, `a/b` and `a/b/c`. */
function withParents(path: string): string[] {
  const names = path.split('/')
  return names.map((_, index) => names.slice(0, index + 1).join('/'))
}

/** A pattern as .dockerignore and COPY have it: `*` does not go over a "/", `**` does. */
export function patternOf(pattern: string): RegExp {
  let source = ''
  for (let at = 0; at < pattern.length; at++) {
    const rest = pattern.slice(at)
    const group = /^\[(\^|!)?((?:\\.|[^\]\\])+)\]/.exec(rest)
    if (rest.startsWith('**/')) {
      source += '(?:.*/)?'
      at += 2
    } else if (rest.startsWith('**')) {
      source += '.*'
      at += 1
    } else if (group) {
      source += `[${group[1] ? '^' : ''}${group[2]!.replace(/[[\]^]/g, '\\$&')}]`
      at += group[0].length - 1
    } else if (rest[0] === '\\' && rest.length > 1) {
      source += literally(rest[1]!)
      at += 1
    } else {
      source += rest[0] === '*' ? '[^/]*' : rest[0] === '?' ? '[^/]' : literally(rest[0]!)
    }
  }
  return new RegExp(`^${source}$`, 's')
}

function literally(letter: string): string {
  return letter.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
}
