import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

/**
 * Writes messages.ts, the tables of the messages in spec/warren/v1/sandboxes.proto; with --check it only says whether the
 * file is current.
 */
const source = fileURLToPath(new URL('../../../../spec/warren/v1/sandboxes.proto', import.meta.url))
const target = fileURLToPath(new URL('messages.ts', import.meta.url))
const scalars = ['string', 'bytes', 'bool', 'int32', 'uint32', 'sint32', 'int64', 'double']
const text = formatted(tables(protobuf.parse(await readFile(source, 'utf8'), { keepCase: false }).root))

if (!process.argv.includes('--check')) await writeFile(target, text)
else if ((await readFile(target, 'utf8').catch(() => '')) !== text) {
  console.error(
    'platform/src/http/grpc/messages.ts is not what spec/warren/v1/sandboxes.proto says: run node platform/src/http/grpc/write-messages.ts',
  )
  process.exitCode = 1
}

function tables(root: protobuf.Root): string {
  const found = root.lookup('warren.v1') as protobuf.Namespace
  const types = found.nestedArray.filter((one) => one instanceof protobuf.Type)
  const [service] = found.nestedArray.filter((one) => one instanceof protobuf.Service)
  const body = inOrder(types).map(tableOf).join('\n\n')
  const methods = service!.methodsArray.map(
    ({ name, requestType, responseType, requestStream, responseStream }) =>
      `${name}: { input: ${requestType}, output: ${responseType}, kind: '${requestStream ? 'client-stream' : responseStream ? 'server-stream' : 'unary'}' },`,
  )
  const rules = ['map', 'message', 'optional', 'plain', 'repeated'].filter((name) => body.includes(`${name}(`))
  return `// Written by write-messages.ts from spec/warren/v1/sandboxes.proto. Not to be changed by hand.
import { ${rules.join(', ')} } from '../rpc/message.ts'

${body}

export const ${service!.name} = { name: '${service!.fullName.slice(1)}', methods: { ${methods.join('\n')} } } as const
`
}

/** Those that others are made of come first. */
function inOrder(types: protobuf.Type[]): protobuf.Type[] {
  const done = new Set<protobuf.Type>()
  const add = (type: protobuf.Type) => {
    for (const field of type.fieldsArray) {
      const inner = types.find(({ name }) => name === field.type)
      if (inner && !done.has(inner)) add(inner)
    }
    done.add(type)
  }
  for (const type of types) if (!done.has(type)) add(type)
  return [...done]
}

function tableOf(type: protobuf.Type): string {
  const fields = type.fieldsArray.map((field) => `${field.name}: ${ruleOf(field)},`)
  return `export const ${type.name} = message({ ${fields.join('\n')} })`
}

function ruleOf(field: protobuf.Field): string {
  if (field instanceof protobuf.MapField) {
    if (field.keyType !== 'string' || field.type !== 'string')
      throw new Error(`${field.fullName}: a map is from text to text`)
    return `map(${field.id})`
  }
  const type = typeOf(field)
  if (field.repeated) return `repeated(${field.id}, ${type})`
  // Of messages there is no default, and fields of a oneof may be absent too.
  const isOptional = field.partOf !== null || !type.startsWith("'") || type === "'timestamp'"
  return `${isOptional ? 'optional' : 'plain'}(${field.id}, ${type})`
}

function typeOf({ type, fullName }: protobuf.Field): string {
  if (scalars.includes(type)) return `'${type}'`
  if (type === 'google.protobuf.Timestamp') return `'timestamp'`
  if (/^[A-Z]\w*$/.test(type)) return type
  throw new Error(`${fullName}: ${type} is not known to rpc/message.ts`)
}

function formatted(code: string): string {
  const biome = fileURLToPath(new URL('../../../../node_modules/.bin/biome', import.meta.url))
  const { status, stdout, stderr } = spawnSync(biome, ['format', `--stdin-file-path=${target}`], {
    input: code,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`biome: ${stderr}`)
  return stdout
}
