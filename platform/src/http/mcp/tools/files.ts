import { isUtf8 } from 'node:buffer'
import { Type } from 'typebox'
import { WarrenError } from '../../../errors.ts'
import { path, user } from '../../file-parameters.ts'
import { SandboxId, strict, type Tool, tool } from '../tool.ts'

/** How much of a file one call reads when it does not say, and at most. */
const readBytes = { usual: 64 * 1024, most: 512 * 1024 }
const mostEntries = 1000

const encoding = Type.Enum(['utf-8', 'base64'])

const read = tool({
  name: 'read_file',
  title: 'Read a file',
  description:
    'Reads a file of a sandbox, or a part of it. Where there is more, `nextOffset` says where to go on. What is not text comes in base64.',
  operation: 'readFile',
  permission: 'sandboxes:exec',
  audit: 'file.read',
  reads: true,
  input: Type.Object(
    {
      ...{ sandbox: SandboxId, path, user },
      offset: Type.Optional(Type.Integer({ minimum: 0, default: 0, description: 'The first byte.' })),
      length: Type.Optional(Type.Integer({ minimum: 1, maximum: readBytes.most, default: readBytes.usual })),
    },
    strict,
  ),
  output: Type.Object({
    content: Type.String(),
    encoding,
    offset: Type.Integer(),
    bytes: Type.Integer({ description: 'How many are in `content`.' }),
    size: Type.Number({ description: 'Of the whole file.' }),
    nextOffset: Type.Optional(Type.Integer({ description: 'There is more from here on.' })),
  }),
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, input, { account, signal }) => {
    const { sandbox: id, path, user, offset = 0, length = readBytes.usual } = input
    const acting = user === undefined ? {} : { user }
    const { guest } = await sandboxes.running({ account, id })
    const { type, size } = await guest.files.stat(path, acting)
    if (type === 'directory')
      throw new WarrenError('invalid_request', `${path} is a directory, not a file`, { hint: 'Use list_files.' })
    // One byte more than asked for tells whether there is more, also of files of /proc, which say they are empty.
    const { stream } = await guest.files.read(path, { ...acting, offset, length: length + 1 }, signal)
    const pieces: Buffer[] = []
    for await (const piece of stream) pieces.push(piece as Buffer)
    const found = Buffer.concat(pieces)
    const more = found.length > length
    const bytes = more ? wholeCharacters(found.subarray(0, length)) : found
    const isText = isUtf8(bytes) && !bytes.includes(0)
    return {
      output: {
        ...(isText
          ? { content: bytes.toString(), encoding: 'utf-8' as const }
          : { content: bytes.toString('base64'), encoding: 'base64' as const }),
        offset,
        bytes: bytes.length,
        size,
        ...(more ? { nextOffset: offset + bytes.length } : {}),
      },
    }
  },
})

const write = tool({
  name: 'write_file',
  title: 'Write a file',
  description: 'Writes a file of a sandbox anew, with the folders that lead to it. A request takes up to 1 MiB.',
  operation: 'writeFile',
  permission: 'sandboxes:exec',
  audit: 'file.write',
  destroys: true,
  input: Type.Object(
    {
      ...{ sandbox: SandboxId, path, user },
      content: Type.String(),
      encoding: Type.Optional({ ...encoding, default: 'utf-8' } as typeof encoding),
      mode: Type.Optional(
        Type.String({ pattern: '^0?[0-7]{3,4}$', description: 'Permissions in octal, such as 0755.' }),
      ),
    },
    strict,
  ),
  output: Type.Object({ path: Type.String(), bytes: Type.Number() }),
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, { sandbox: id, path, user, content, encoding, mode }, { account, signal }) => {
    const bytes = encoding === 'base64' ? fromBase64(content) : Buffer.from(content)
    const { guest } = await sandboxes.running({ account, id })
    const options = {
      parents: true,
      ...(user === undefined ? {} : { user }),
      ...(mode === undefined ? {} : { mode: Number.parseInt(mode, 8) }),
    }
    const stat = await guest.files.write(path, bytes, options, signal)
    return { output: { path: stat.path, bytes: stat.size } }
  },
})

const list = tool({
  name: 'list_files',
  title: 'List a folder',
  description: `What lies in a folder of a sandbox; up to ${mostEntries} entries.`,
  operation: 'listFiles',
  permission: 'sandboxes:exec',
  audit: 'file.list',
  reads: true,
  input: Type.Object(
    {
      ...{ sandbox: SandboxId, path, user },
      depth: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 1000, default: 1, description: '0: everything below.' }),
      ),
    },
    strict,
  ),
  output: Type.Object({
    entries: Type.Array(
      Type.Object({
        path: Type.String(),
        type: Type.Enum(['file', 'directory', 'symlink', 'other']),
        size: Type.Number(),
        modifiedAt: Type.String({ format: 'date-time' }),
      }),
    ),
    truncated: Type.Boolean({ description: 'There are more.' }),
  }),
  subject: ({ sandbox }) => sandbox,
  run: async ({ sandboxes }, { sandbox: id, path, user, depth = 1 }, { account, signal }) => {
    const { guest } = await sandboxes.running({ account, id })
    const entries = []
    let truncated = false
    for await (const stat of guest.files.list(path, { ...(user === undefined ? {} : { user }), depth }, signal)) {
      truncated = entries.length === mostEntries
      if (truncated) break
      const { path, type, size, modifiedAt } = stat
      entries.push({ path, type, size, modifiedAt: new Date(modifiedAt).toISOString() })
    }
    return { output: { entries, truncated } }
  },
})

export const fileTools: Tool[] = [read, write, list]

/** Without the first bytes of a character whose others come later. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let cut = 1; cut <= Math.min(3, bytes.length - 1); cut++) {
    const byte = bytes[bytes.length - cut]!
    if ((byte & 0xc0) === 0x80) continue
    const takes = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return takes > cut ? bytes.subarray(0, bytes.length - cut) : bytes
  }
  return bytes
}

function fromBase64(content: string): Buffer {
  if (content.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(content)) return Buffer.from(content, 'base64')
  throw new WarrenError('invalid_request', 'arguments field "content" must be base64, as "encoding" says')
}
