import type { Command } from 'commander'
import { text } from '../../messages.ts'
import { printJson } from '../../output/print.ts'
import { server } from '../../server.ts'

export function addCreate(parent: Command): void {
  parent
    .command('create')
    .description(text.bucketCreate)
    .argument('<name>', text.argumentBucketName)
    .option('--json', text.optionJson)
    .action(create)
}

/** The name alone goes to stdout: by it the bucket is known. */
async function create(name: string, { json }: { json?: boolean }): Promise<void> {
  const bucket = await server().buckets.create(name)
  if (json) printJson(bucket)
  else process.stdout.write(`${bucket.name}\n`)
}
