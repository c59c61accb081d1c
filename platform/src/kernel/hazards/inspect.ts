import { printableLine } from '../../lib/printable-line.ts'
import { loadSyntax, parse } from '../codebase/grammar.ts'
import { ParsedText } from '../codebase/parsed-text.ts'
import { inspectPython } from './code/inspect-python.ts'
import { inspectScript } from './code/inspect-script.ts'
import { type Finding, type HazardName, hazards, type Inspected, isSevererOrEqual, type Severity } from './hazard.ts'
import { hazardOfReading, hazardOfWriting, placeOf } from './sensitive-places.ts'
import { inspectShell } from './shell/inspect-shell.ts'
import { downloaded, isKnown, Scope } from './shell/scope.ts'
import type { Nested } from './shell/unwrap.ts'

/** More of a program is not looked through. */
export const mostInspected = 512 * 1024
const mostFindings = 64
const mostPrograms = 200
const deepest = 8
const mostExcerpt = 160
const mostWithin = 60
const grammars = { shell: 'bash', python: 'python', javascript: 'javascript', typescript: 'typescript' } as const

interface Waiting {
  program: Nested
  within: string[]
  scope: Scope
}

/**
 * What code, or a path, does that somebody should know of before it does it. It is read, not run: what is found may be meant well,
 * and whoever wants to hide something can. So it is for people and rules to decide with; what holds is the sandbox.
 */
export async function inspect(given: readonly Inspected[]): Promise<Finding[]> {
  const findings = new Map<string, Finding>()
  const report = (hazard: HazardName, text: string, within: readonly string[]) => {
    const excerpt = printableLine(text, mostExcerpt)
    const severity: Severity = hazards[hazard][0]
    const key = `${hazard} ${excerpt}`
    if (!findings.has(key) && findings.size < mostFindings)
      findings.set(key, { hazard, severity, excerpt, ...(within.length > 0 && { within: [...within] }) })
  }
  const waiting: Waiting[] = []
  const begun = new Scope()
  for (const one of given) {
    if (one.kind === 'left') begun.write(one.path, one.text)
    else if (one.kind === 'ran') await remember(one, begun)
    else if ('path' in one) {
      const hazard = one.kind === 'read' ? hazardOfReading(one.path) : hazardOfWriting(one.path)
      if (hazard) report(hazard, one.path, [])
    } else {
      const { kind, text } = one
      waiting.push({ program: { kind, text, by: '' }, within: [], scope: placed(begun, one) })
    }
  }
  const seen = new Set<string>()
  let left = mostInspected
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { program, within } = next
    const key = JSON.stringify([program.kind, program.text, program.args, next.scope.valueOf('PWD')])
    if (seen.has(key)) continue
    seen.add(key)
    left -= program.text.length
    if (left < 0 || seen.size > mostPrograms || within.length > deepest) {
      report('not-inspected', program.text, within)
      break
    }
    try {
      await inspectOne(next, {
        found: (hazard, text) => report(hazard, text, within),
        nested: (inner, scope) =>
          waiting.push({ program: inner, within: [inner.by.slice(0, mostWithin), ...within], scope }),
      })
    } catch (error) {
      // Nested so deep that it is no program that somebody would write.
      if (!(error instanceof RangeError)) throw error
      report('not-inspected', program.text, within)
    }
  }
  return ordered([...findings.values()])
}

function placed(begun: Scope, { folder }: { folder?: string }): Scope {
  const scope = Scope.inFolderOf(begun)
  if (folder !== undefined) scope.set('PWD', placeOf(folder))
  return scope
}

/** What an earlier script has left in files. What it was found to do has been told of then. */
async function remember(ran: { text: string; folder?: string }, begun: Scope): Promise<void> {
  if (isTooDeep(ran.text)) return
  const tree = await parse(await loadSyntax(grammars.shell), ran.text)
  if (!tree) return
  try {
    const scope = placed(begun, ran)
    inspectShell(tree.rootNode, scope, { found: () => {}, nested: () => {} })
    begun.takeFiles(scope)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  } finally {
    tree.delete()
  }
}

function isTooDeep(text: string): boolean {
  // One character for each, so that places are the same; what is not a letter to the grammar is left as it is.
  return new ParsedText(Buffer.from(text, 'latin1'), { start: 0, end: text.length, gaps: [] }).isTooDeep
}

interface Heard {
  found: (hazard: HazardName, text: string) => void
  nested: (program: Nested, scope: Scope) => void
}

async function inspectOne({ program, scope: outer }: Waiting, { found, nested }: Heard): Promise<void> {
  const { kind, text } = program
  const within = (inner: Nested) => nested(inner, Scope.inFolderOf(outer))
  if (kind === 'other') return inspectOther(text, found, (line) => within({ kind: 'shell', text: line, by: 'system' }))
  if (isTooDeep(text)) return found('not-inspected', text)
  const tree = await parse(await loadSyntax(grammars[kind]), text)
  if (!tree) return found('not-inspected', text)
  try {
    if (tree.rootNode.hasError) {
      // A command that is written in braces is one to a shell, and none to the grammar.
      const spread = kind === 'shell' ? text.replace(/(^|[\s;&|(])\{([^\s{},]*(?:,[^\s{},]*)+)\}/g, spreadOut) : text
      found('unreadable', text)
      if (spread !== text) nested({ kind, text: spread, by: '{…}' }, new Scope(outer))
    }
    if (kind !== 'shell')
      for (const path of importedBy(kind, text)) {
        const content = outer.read(path)
        if (content !== undefined && isKnown(content)) within({ kind, text: content, by: path })
        else if (content?.includes(downloaded)) found('download-run', path)
      }
    if (kind === 'python') inspectPython(tree.rootNode, { found, nested: within })
    else if (kind !== 'shell') inspectScript(tree.rootNode, { found, nested: within })
    else {
      const scope = new Scope(outer)
      if (program.args) scope.setArguments(program.args)
      inspectShell(tree.rootNode, scope, { found, nested: (inner, of) => nested(inner, new Scope(of)) })
    }
  } finally {
    tree.delete()
  }
}

/** Files of the same folder that code loads by their names. */
function importedBy(kind: 'python' | 'javascript' | 'typescript', text: string): string[] {
  if (kind === 'python')
    return [...text.matchAll(/^[ \t]*(?:from|import)[ \t]+\.?([\w.]+)/gm)].map(
      ([, name]) => `${name!.replaceAll('.', '/')}.py`,
    )
  return [
    ...text.matchAll(/(?:\bfrom|\bimport|\brequire\s*\(|\bimport\s*\()\s*["'](\.{1,2}\/[^"'\n]{1,200})["']/g),
  ].flatMap(([, path]) => (/\.\w+$/.test(path!) ? [path!] : [`${path}.js`, `${path}.ts`, `${path}/index.js`]))
}

function spreadOut(_: string, before: string, words: string): string {
  return before + words.split(',').join(' ')
}

/** Of languages without a grammar, what one line of them is used for. */
function inspectOther(text: string, found: Heard['found'], runs: (line: string) => void): void {
  for (const [, , line] of text.matchAll(
    /\b(?:system|exec|popen\d?|shell_exec|passthru|spawn|proc_open)\s*\(?\s*(["'])((?:(?!\1)[^\\]|\\.)*)\1/gs,
  ))
    runs(line!.replace(/\\(.)/gs, '$1'))
  for (const [, quoted, braced] of text.matchAll(/`([^`]+)`|(?:\bqx|%x)\s*[{([/|!]([^})\]/|!]+)/g))
    runs((quoted ?? braced)!)
  const speaks = /socket|TCPSocket|fsockopen|IO::Socket|TCPServer/i.test(text)
  const starts = /\b(exec|system|popen|spawn|proc_open|shell_exec|passthru)\b|\/bin\/(ba|da|z)?sh/.test(text)
  if (speaks && starts) found('reverse-shell', text)
  else if (speaks) found('raw-socket', text)
  if (/\bfork\b[\s\S]{0,40}\bwhile\b|\bwhile\b[\s\S]{0,40}\bfork\b/.test(text)) found('fork-bomb', text)
  if (/\b(eval|exec|system)\b[\s\S]{0,80}(base64|decode|unpack|pack\s*\()/i.test(text)) found('decoded-run', text)
}

function ordered(findings: Finding[]): Finding[] {
  return findings.sort((a, b) => (a.severity === b.severity ? 0 : isSevererOrEqual(a.severity, b.severity) ? -1 : 1))
}
