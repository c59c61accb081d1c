import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { WarrenError } from '@warren/sdk'
import { type Command, Option } from 'commander'
import { text } from '../../messages.ts'

const scaffolds = {
  ts: {
    'index.ts': `interface Event {
  name?: string
}

export default async function hello(event: Event, context: { requestId: string }) {
  console.log('called', context.requestId)
  return { text: \`hello \${event.name ?? 'world'}\` }
}
`,
  },
  js: {
    'index.js': `export default async function hello(event, context) {
  console.log('called', context.requestId)
  return { text: \`hello \${event.name ?? 'world'}\` }
}
`,
  },
  python: {
    'main.py': `def handler(event, context):
    print("called", context.aws_request_id)
    return {"text": f"hello {event.get('name', 'world')}"}
`,
  },
} satisfies Record<string, Record<string, string>>

export function addNew(parent: Command): void {
  parent
    .command('new')
    .description(text.fnNew)
    .argument('<folder>', text.argumentNewFolder)
    .addOption(
      new Option('--language <language>', text.optionFunctionLanguage).choices(Object.keys(scaffolds)).default('ts'),
    )
    .action(create)
}

async function create(folder: string, { language }: { language: keyof typeof scaffolds }): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const [name, content] of Object.entries(scaffolds[language])) {
    await writeFile(join(folder, name), content, { flag: 'wx' }).catch((cause) => {
      throw new WarrenError('conflict', text.fileExists(join(folder, name)), { cause })
    })
    process.stdout.write(`${join(folder, name)}\n`)
  }
  process.stderr.write(`${text.fnNewNext(folder)}\n`)
}
