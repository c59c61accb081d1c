import { posix } from 'node:path'

/** The layers of the platform, highest first, and the folders and files of platform/src that are on each. */
const layers = [
  { name: 'wiring', folders: ['main.ts', 'welcome.ts'] },
  { name: 'edge', folders: ['http'] },
  {
    name: 'policy',
    folders: [
      'accounts',
      'audit',
      'templates',
      'sandboxes',
      'volumes',
      'quotas',
      'abuse',
      'secrets',
      'identity',
      'metering',
      'webhooks',
      'buckets',
      'functions',
      'agents',
      'nodes',
      'billing',
    ],
  },
  { name: 'mechanism', folders: ['engine', 'kernel', 'models'] },
  // One folder for each runtime and for each model API: they do not know each other.
  { name: 'driver', folders: ['engine/drivers', 'models/apis'] },
  // System calls, the protocol of the guest, the wires of models: what drivers and mechanism both stand on.
  { name: 'host', folders: ['engine/host', 'engine/guest', 'engine/images', 'engine/network', 'models/wire'] },
  // What a driver and a model are: mechanism, drivers and host all speak of it.
  { name: 'interface', folders: ['engine/driver.ts', 'models/model.ts', 'models/message.ts'] },
  { name: 'base', folders: ['lib', 'storage', 'events', 'telemetry', 'errors.ts', 'config.ts', 'config'] },
]

/** They only listen: nobody knows them but the edge, which shows them. */
const listeners = ['billing']

const vagueNames = /^(utils?|helpers?|common|misc|types|shared)$/
const mostLines = 400

interface Import {
  from: string
  to: string
  typeOnly: boolean
}

/**
 * Checks the shape of the platform. `files` maps each path below platform/src to its source. Answers with one sentence
 * per violation, none when all is well.
 */
export function layerViolations(files: Record<string, string>): string[] {
  const paths = Object.keys(files)
  const imports = paths.filter((path) => !isTest(path)).flatMap((path) => importsOf(path, files[path]!))
  return [
    ...paths.flatMap((path) => [...nameViolations(path), ...sourceViolations(path, files[path]!)]),
    ...imports.flatMap((found) => importViolations(found, files)),
    ...cycles(imports),
  ]
}

function nameViolations(path: string): string[] {
  const vague = path.split('/').find((part) => vagueNames.test(part.split('.')[0]!))
  return [
    ...(vague ? [`${path}: the name "${vague}" does not say what is in it`] : []),
    ...(layerOf(path) === undefined ? [`${path}: its folder has no layer; name one in platform/test/layers.ts`] : []),
  ]
}

function sourceViolations(path: string, source: string): string[] {
  const lines = source.split('\n').length - 1
  const readsEnvironment = /\bprocess\.env\b/.test(withoutComments(source))
  return [
    ...(lines > mostLines ? [`${path}: ${lines} lines, at most ${mostLines}; which second subject moved in?`] : []),
    ...(readsEnvironment && path !== 'config.ts' && !isTest(path)
      ? [`${path}: reads process.env; settings are read by config.ts and handed down`]
      : []),
  ]
}

function importViolations({ from, to, typeOnly }: Import, files: Record<string, string>): string[] {
  if (!(to in files)) return [`${from}: imports ${to}, which does not exist`]
  const [above, below] = [layerOf(from), layerOf(to)]
  const [own, other] = [partOf(from), partOf(to)]
  if (above === undefined || below === undefined || own === other || other === undefined) return []
  const rule = (sentence: string) => [`${from}: imports ${to}; ${sentence}`]

  const wires = layers[above]!.name === 'wiring'
  if (to === 'main.ts') return rule('nobody imports main.ts')
  if (to === 'config.ts' && !typeOnly && !wires) return rule('only main.ts reads the configuration')
  if (listeners.includes(other) && !wires && layers[above]!.name !== 'edge')
    return rule(`${other} only listens, nobody imports it`)
  if (layers[above]!.name === 'driver' && layers[below]!.name === 'driver')
    return rule('drivers do not know each other')
  if (above > below) return rule(`${layers[above]!.name} is below ${layers[below]!.name}, and imports go down`)
  const neighbours = above === below && ['edge', 'policy', 'mechanism'].includes(layers[above]!.name)
  return neighbours && !typeOnly ? rule('neighbours share types (`import type`), never code') : []
}

/** One sentence per group of files that need each other to be loaded. Types are gone by then and do not count. */
function cycles(imports: Import[]): string[] {
  const next = new Map<string, string[]>()
  for (const { from, to, typeOnly } of imports) if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to])
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, trail: string[]) => {
    if (trail.includes(path)) {
      found.push(`import cycle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return
    for (const target of next.get(path) ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of next.keys()) visit(path, [])
  return found
}

function importsOf(path: string, source: string): Import[] {
  const statement =
    /^\s*(import|export)\s+(type\s+)?([^'";]*?)\bfrom\s*'(\.[^']+)'|^\s*import\s*'(\.[^']+)'|\bimport\(\s*'(\.[^']+)'/gm
  return [...withoutComments(source).matchAll(statement)].map((match) => {
    const [, , typeKeyword, names, target, bare, dynamic] = match
    return {
      from: path,
      to: posix.join(posix.dirname(path), (target ?? bare ?? dynamic)!),
      typeOnly: typeKeyword !== undefined || (names !== undefined && onlyTypes(names)),
    }
  })
}

/** True for `{ type A, type B }`. */
function onlyTypes(names: string): boolean {
  const inner = /^\{([^}]*)\}\s*$/.exec(names.trim())?.[1]
  const specifiers =
    inner
      ?.split(',')
      .map((name) => name.trim())
      .filter(Boolean) ?? []
  return specifiers.length > 0 && specifiers.every((name) => name.startsWith('type '))
}

function withoutComments(source: string): string {
  return source.replace(/^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
}

/** Index into `layers`; undefined for what none of them names. */
function layerOf(path: string): number | undefined {
  const named = namedFolderOf(path)
  return named === undefined ? undefined : layers.findIndex(({ folders }) => folders.includes(named))
}

/** What counts as one part: each folder that has a layer of its own, and each driver. */
function partOf(path: string): string | undefined {
  return /^(?:engine\/drivers|models\/apis)\/[^/]+(?=\/)/.exec(path)?.[0] ?? namedFolderOf(path)
}

/** The longest of the named folders that holds the path. A test belongs where the file it tests does. */
function namedFolderOf(path: string): string | undefined {
  const tested = path.replace(/\.test\.ts$/, '.ts')
  return layers
    .flatMap(({ folders }) => folders)
    .filter((name) => tested === name || tested.startsWith(`${name}/`))
    .sort((a, b) => b.length - a.length)[0]
}

function isTest(path: string): boolean {
  return path.endsWith('.test.ts')
}
