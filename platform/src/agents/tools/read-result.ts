import type { Journal } from '../journal/recorder.ts'
import { object } from './sandbox-tools.ts'
import { mostShownChars } from './shorten.ts'
import { type Tool, ToolError } from './tool.ts'

/** For results that were too long to be shown whole. */
export function readResult(journal: Pick<Journal, 'readBlob'>): Tool {
  return {
    name: 'read_result',
    description: 'Reads on in a long result, by its handle.',
    inputSchema: object(
      {
        handle: { type: 'string', pattern: '^[0-9a-f]{64}$' },
        offset: { type: 'integer', minimum: 0, description: 'In characters; default 0.' },
        length: { type: 'integer', minimum: 1, maximum: mostShownChars - 1000 },
      },
      ['handle'],
    ),
    effect: 'read',
    handler: async (
      _context,
      { handle, offset = 0, length = 8000 }: { handle: string; offset?: number; length?: number },
    ) => {
      const text = await journal.readBlob(handle)
      if (text === undefined)
        throw new ToolError('not_found', 'there is no result with this handle', { happened: false })
      const part = text.slice(offset, offset + length)
      return `[characters ${offset} to ${offset + part.length} of ${text.length}]\n${part}`
    },
  }
}
