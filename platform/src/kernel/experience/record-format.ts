import { crc32 } from 'node:zlib'

/** Something that was experienced, and the text by which it is found again. */
export interface Experience<Data = unknown> {
  id: string
  /** When it was recorded, milliseconds since 1970. */
  at: number
  text: string
  /** Anything that JSON can say. */
  data: Data
  /** Its place in `space`, where that is not computed from the text. */
  vector?: { space: string; values: Float32Array }
}

/** What the log says: there is one from now on, also in the place of an older one with its id, or there is none any more. */
export type LogRecord = { put: Experience } | { removed: string; at: number }

/** Before each record, so that what comes after a damaged one is found. */
const marker = 0x31505857
/** Marker, length of what follows it, and its CRC-32. */
const headBytes = 12
const fixedBytes = 25
const mostBytes = 64 * 2 ** 20

/** One record as it lies in the log. Numbers are little-endian; texts are UTF-8, one after the other, the vector comes last. */
export function encodeRecord(record: LogRecord): Buffer {
  const put: Experience =
    'put' in record ? record.put : { id: record.removed, at: record.at, text: '', data: undefined }
  const { id, at, text, data, vector } = put
  const texts = [id, text, data === undefined ? '' : JSON.stringify(data), vector?.space ?? '']
  const parts = texts.map((part) => Buffer.from(part))
  const values = vector ? Buffer.from(Float32Array.from(vector.values).buffer) : Buffer.alloc(0)
  const fixed = Buffer.alloc(fixedBytes)
  fixed.writeUInt8('put' in record ? 1 : 2, 0)
  fixed.writeDoubleLE(at, 1)
  for (const [index, part] of parts.entries()) fixed.writeUInt32LE(part.length, 9 + 4 * index)
  const payload = Buffer.concat([fixed, ...parts, values])
  if (payload.length > mostBytes) throw new RangeError(`a record has at most ${mostBytes} bytes, not ${payload.length}`)
  const head = Buffer.alloc(headBytes)
  head.writeUInt32LE(marker, 0)
  head.writeUInt32LE(payload.length, 4)
  head.writeUInt32LE(crc32(payload), 8)
  return Buffer.concat([head, payload])
}

interface LogContents {
  records: LogRecord[]
  /** Where the last whole record ends: what comes after it was torn off while it was written. */
  end: number
  /** Bytes that are no record although whole records follow them. */
  damaged: number
}

/** Everything that can be read, whatever the bytes are. */
export function decodeLog(log: Buffer): LogContents {
  const records: LogRecord[] = []
  let [at, end, damaged] = [0, 0, 0]
  while (at + headBytes + fixedBytes <= log.length) {
    const length = recordAt(log, at)
    const record = length && decode(log.subarray(at + headBytes, at + headBytes + length))
    if (record) {
      damaged += at - end
      records.push(record)
      at += headBytes + length
      end = at
      continue
    }
    const next = log.indexOf(markerBytes, at + 1)
    if (next < 0) break
    at = next
  }
  return { records, end, damaged }
}

const markerBytes = Buffer.alloc(4)
markerBytes.writeUInt32LE(marker)

/** The length of the payload of a whole and genuine record; 0 where there is none. */
function recordAt(log: Buffer, at: number): number {
  if (log.readUInt32LE(at) !== marker) return 0
  const length = log.readUInt32LE(at + 4)
  if (length < fixedBytes || length > mostBytes || at + headBytes + length > log.length) return 0
  const payload = log.subarray(at + headBytes, at + headBytes + length)
  return crc32(payload) === log.readUInt32LE(at + 8) ? length : 0
}

function decode(payload: Buffer): LogRecord | undefined {
  const at = payload.readDoubleLE(1)
  let from = fixedBytes
  const texts: string[] = []
  for (let index = 0; index < 4; index++) {
    const length = payload.readUInt32LE(9 + 4 * index)
    texts.push(payload.toString('utf8', from, from + length))
    from += length
  }
  if (from > payload.length) return undefined
  const [id, text, json, space] = texts as [string, string, string, string]
  if (payload[0] === 2) return { removed: id, at }
  const data = json === '' ? undefined : JSON.parse(json)
  const values = new Float32Array(Uint8Array.from(payload.subarray(from)).buffer)
  return { put: { id, at, text, data, ...(values.length > 0 && { vector: { space, values } }) } }
}
