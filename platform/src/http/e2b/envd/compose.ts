import { toJson } from '../../rpc/json.ts'
import { Refusal } from '../refusal.ts'
import type { Call, Exchange } from './call.ts'
import { acting, entryOf, statOf } from './entries.ts'
import { filePath, fileRefusal } from './file-path.ts'
import { EntryInfo } from './filesystem-messages.ts'

const mostBytes = 1024 * 1024

/** `POST /files/compose`: one file out of several, in their order. Answers what it is then. */
export async function compose(
  caller: Pick<Call, 'guest' | 'signal' | 'user'>,
  { request }: Pick<Exchange, 'request'>,
): Promise<object> {
  if (request.method !== 'POST') throw new Refusal(405, 'POST is served at /files/compose')
  const { sources, destination, user } = await readInput(request)
  const call = { ...caller, user }
  const path = filePath(destination)
  await call.guest.files
    .write(path, contentOf(call, sources), { ...acting(call), parents: true }, call.signal)
    .catch((error) => fileRefusal(error, destination))
  return toJson(EntryInfo, entryOf(await statOf(call, path)))
}

async function* contentOf(call: Pick<Call, 'guest' | 'signal' | 'user'>, sources: string[]): AsyncGenerator<Buffer> {
  for (const source of sources) {
    const { stream } = await call.guest.files
      .read(filePath(source), acting(call), call.signal)
      .catch((error) => fileRefusal(error, source))
    yield* stream
  }
}

async function readInput(
  request: Exchange['request'],
): Promise<{ sources: string[]; destination: string; user: string | undefined }> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    bytes += chunk.length
    if (bytes > mostBytes) throw new Refusal(413, `the body may have ${mostBytes} bytes at most`)
    chunks.push(chunk)
  }
  let body: Record<string, unknown> = {}
  try {
    body = JSON.parse(Buffer.concat(chunks).toString()) as typeof body
  } catch {}
  const { source_paths: sources, destination, username } = body ?? {}
  const isList = Array.isArray(sources) && sources.length > 0 && sources.every((path) => typeof path === 'string')
  if (!isList || typeof destination !== 'string' || !destination)
    throw new Refusal(400, 'the body must be JSON with "source_paths", a list of paths, and "destination", a path')
  return { sources, destination, user: typeof username === 'string' && username ? username : undefined }
}
