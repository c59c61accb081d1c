import { createReadStream, existsSync } from 'node:fs'
import { WarrenError } from '@warren/sdk'
import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { withProgress } from '../../output/progress.ts'
import { server } from '../../server.ts'

export function addPut(parent: Command): void {
  parent
    .command('put')
    .description(text.objectPut)
    .argument('<bucket>', text.argumentBucket)
    .argument('<key>', text.argumentObjectKey)
    .argument('[file]', text.argumentObjectFile, '-')
    .option('--type <type>', text.optionContentType)
    .option('--if-absent', text.optionIfAbsent)
    .option('--json', text.optionJson)
    .action(put)
}

/** The etag alone goes to stdout. */
async function put(
  bucket: string,
  key: string,
  file: string,
  { type, ifAbsent, json }: { type?: string; ifAbsent?: boolean; json?: boolean },
): Promise<void> {
  if (file !== '-' && !existsSync(file)) throw new WarrenError('not_found', text.noSuchFile(file))
  const content = file === '-' ? process.stdin : createReadStream(file)
  const options = { contentType: type, ...(ifAbsent ? { ifNoneMatch: '*' } : {}) }
  const object = await withProgress(text.copying, () => server().objects.put(bucket, key, content, options))
  if (json) printJson(object)
  else process.stdout.write(`${object.etag}\n`)
}
