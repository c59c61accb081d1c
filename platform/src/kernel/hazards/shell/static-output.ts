import { hazardOfReading } from '../sensitive-places.ts'
import type { Command } from './command.ts'
import { escapesOf } from './escapes.ts'
import { decoded, downloaded, isKnown, type Scope, secret, unknown } from './scope.ts'
import { unwrap } from './unwrap.ts'

export const downloaders = new Set([
  'curl',
  'wget',
  'aria2c',
  'fetch',
  'lynx',
  'http',
  'https',
  'axel',
  'w3m',
  'scp',
  'ftp',
  'tftp',
])
const decoders = new Set([
  'base64',
  'base32',
  'xxd',
  'openssl',
  'uudecode',
  'gunzip',
  'zcat',
  'gzip',
  'bzcat',
  'xzcat',
  'unxz',
  'rev',
  'tr',
  'gpg',
  'basenc',
  'hex',
  'od',
])

/** What a pipeline writes: the text where it is known, else where it comes from. */
export function outputOf(pipeline: readonly Command[], scope: Scope): string {
  let output: string | undefined
  for (const command of pipeline) output = outputOfCommand(command, output ?? command.input, scope)
  return output ?? unknown
}

function outputOfCommand(command: Command, input: string | undefined, scope: Scope): string {
  const [name = '', ...args] = unwrap(command.words).words
  const from = input ?? command.input
  if (downloaders.has(name)) return downloaded
  if (name === 'echo') return echoed(args)
  if (name === 'printf') return printed(args)
  const files = args.filter((arg) => !arg.startsWith('-'))
  if (name === 'cat' || name === 'tee' || name === 'head' || name === 'tail') {
    if (files.length > 0 && name !== 'tee') return files.map((file) => contentOf(file, scope)).join('')
    return from ?? unknown
  }
  if (name === 'which' || ((name === 'command' || name === 'type') && /^-[vpP]$/.test(args[0] ?? '')))
    return files.map((file) => (isKnown(file) && !file.includes('/') ? `/usr/bin/${file}` : file)).join('\n')
  if ((name === 'readlink' || name === 'realpath') && files[0] !== undefined) return files[0]
  if (name === 'pwd') return scope.valueOf('PWD')
  if (decoders.has(name)) {
    const text = from ?? (files[0] === undefined ? undefined : contentOf(files[0], scope))
    return decodedBy(name, args, text ?? unknown)
  }
  if (args.some((arg) => hazardOfReading(arg) === 'credential-file')) return secret
  // What it does with its input nobody knows, but it is still from where it was.
  return from !== undefined && !isKnown(from) ? from : unknown
}

/** What is in a file, where that is known; else where it comes from. */
export function contentOf(file: string, scope: Scope): string {
  return scope.read(file) ?? (hazardOfReading(file) === 'credential-file' ? secret : unknown)
}

function echoed(args: readonly string[]): string {
  const words = [...args]
  let isEscaped = false
  while (/^-[neE]+$/.test(words[0] ?? '')) if (words.shift()!.includes('e')) isEscaped = true
  const text = words.join(' ')
  return isEscaped ? escapesOf(text) : text
}

function printed([format = '', ...given]: readonly string[]): string {
  const args = format === '--' ? given.slice(1) : given
  const pattern = escapesOf(format === '--' ? (given[0] ?? '') : format)
  let next = 0
  let text = ''
  // The format is used again while there are arguments.
  do
    text += pattern.replace(/%(?:%|[-0-9.]*([sbdcxq]))/g, (_, kind?: string) => {
      if (!kind) return '%'
      const arg = args[next++] ?? ''
      return kind === 'b' ? escapesOf(arg) : arg
    })
  while (next > 0 && next < args.length && text.length < 100_000)
  return text
}

function decodedBy(name: string, args: readonly string[], text: string): string {
  if (!isKnown(text)) return text.includes(downloaded) ? downloaded : text.includes(secret) ? secret : decoded
  const isDecoding = args.some((arg) => /^(-d|-D|--decode|-di|-r|-rp|-pr|-c|-k)$/.test(arg))
  if (name === 'rev')
    return text
      .split('\n')
      .map((line) => [...line].reverse().join(''))
      .join('\n')
  if (name === 'base64' && isDecoding) return Buffer.from(text, 'base64').toString('utf8')
  if (name === 'xxd' && isDecoding) return Buffer.from(text.replace(/\s/g, ''), 'hex').toString('utf8')
  if (name === 'openssl' && args.includes('base64') && isDecoding) return Buffer.from(text, 'base64').toString('utf8')
  if (name === 'tr' && args.length === 2) return translated(text, args[0]!, args[1]!)
  if ((name === 'base64' || name === 'xxd') && !isDecoding) return unknown
  return decoded
}

function translated(text: string, from: string, to: string): string {
  const [source, target] = [ranges(from), ranges(to)]
  if (source.length === 0 || target.length === 0) return decoded
  const table = new Map(source.map((char, at) => [char, target[Math.min(at, target.length - 1)]!]))
  return [...text].map((char) => table.get(char) ?? char).join('')
}

function ranges(set: string): string[] {
  const all = set.replace(/([a-zA-Z0-9])-([a-zA-Z0-9])/g, (_, a: string, b: string) => {
    const length = b.charCodeAt(0) - a.charCodeAt(0) + 1
    return length > 0 ? String.fromCharCode(...Array.from({ length }, (_x, at) => a.charCodeAt(0) + at)) : ''
  })
  return /[[\]\\]/.test(all) ? [] : [...all]
}
