/** The names on the way to an entry of a layer; none for the root of the layer. Names are latin1 strings, see tar-header.ts. */
export type EntryPath = readonly string[]

/**
 * Reads the path of an entry, or where a hard link leads. A leading slash and single dots mean the root of the layer;
 * throws, as the end of a sentence, for what leads out of it or can be no name in a file system.
 */
export function parseEntryPath(text: string): EntryPath {
  if (text.length > 4096) throw new Error('has a path of more than 4096 bytes')
  const names = text.split('/').filter((name) => name !== '' && name !== '.')
  for (const name of names) {
    if (name === '..') throw new Error(`has an entry that leads out of it: ${shown(text)}`)
    if (name.length > 255) throw new Error('has a name of more than 255 bytes')
    if (name.includes('\0')) throw new Error('has a name with a zero byte')
  }
  return names
}

/** For messages: as text where it is text, and of bounded length. */
export function shown(path: string): string {
  const text = Buffer.from(path, 'latin1').toString('utf8')
  const clean = text.replace(/\p{C}/gu, '\ufffd')
  return `"${clean.length > 200 ? `${clean.slice(0, 200)}…` : clean}"`
}

const whiteoutPrefix = '.wh.'

/** What a name says of lower layers: that one of their names is gone, that all names of its directory are, or nothing. */
export function whiteoutOf(path: EntryPath): { hides: 'name' | 'all' | 'nothing'; path: EntryPath } | undefined {
  const name = path.at(-1)
  if (!name?.startsWith(whiteoutPrefix)) return undefined
  const parent = path.slice(0, -1)
  if (name === '.wh..wh..opq') return { hides: 'all', path: parent }
  // What aufs kept for itself.
  if (name.startsWith('.wh..wh.')) return { hides: 'nothing', path: parent }
  const hidden = name.slice(whiteoutPrefix.length)
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw new Error(`has a whiteout for no name: ${shown(path.join('/'))}`)
  return { hides: 'name', path: [...parent, hidden] }
}
