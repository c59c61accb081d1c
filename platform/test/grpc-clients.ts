import { fileURLToPath } from 'node:url'
import { createFileRegistry, type DescMessage, type DescService, fromBinary } from '@bufbuild/protobuf'
import { type FieldDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor/index.js'
import type { Answer } from './platform.ts'

/** What other people's libraries make of our description of the service. None of them sees our own tables. */
const protoFile = fileURLToPath(new URL('../../spec/warren/v1/sandboxes.proto', import.meta.url))

/** A client of the reference implementation of gRPC. */
export function grpcClient(target: string, credentials = grpc.credentials.createInsecure(), options = {}): Answer {
  const loaded = grpc.loadPackageDefinition(loadSync(protoFile, { longs: Number, defaults: true }))
  const { SandboxService } = (loaded as Answer).warren.v1
  return new SandboxService(target, credentials, options)
}

/** The service and the details of its errors, for clients of Connect. */
export async function connectService(): Promise<{ service: DescService; problem: DescMessage }> {
  const root = new protobuf.Root()
  await root.load(protoFile, { keepCase: true })
  const set = fromBinary(
    FileDescriptorSetSchema,
    descriptor.FileDescriptorSet.encode((root as Answer).toDescriptor('proto3')).finish(),
  )
  const ours = set.file.find((file) => file.package === 'warren.v1')!
  // protobufjs leaves names unqualified and says nothing of optional fields.
  ours.dependency = set.file.filter((file) => file !== ours).map(({ name }) => name)
  for (const message of ours.messageType) {
    for (const field of [message, ...message.nestedType].flatMap((one) => one.field)) {
      field.typeName = qualified(field, message)
      field.jsonName = field.name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase())
      field.proto3Optional = message.oneofDecl[field.oneofIndex]?.name === `_${field.name}`
    }
  }
  const registry = createFileRegistry({ ...set, file: [...set.file.filter((file) => file !== ours), ours] })
  return {
    service: registry.getService('warren.v1.SandboxService')!,
    problem: registry.getMessage('warren.v1.Problem')!,
  }
}

function qualified(
  { typeName }: FieldDescriptorProto,
  within: { name: string; nestedType: { name: string }[] },
): string {
  if (typeName === '') return ''
  if (typeName.endsWith('Timestamp')) return '.google.protobuf.Timestamp'
  const isEntry = within.nestedType.some(({ name }) => name === typeName)
  return `.warren.v1.${isEntry ? `${within.name}.` : ''}${typeName}`
}

/** A call of one message and one answer. */
export function asked(
  client: Answer,
  method: string,
  input: object,
  meta: grpc.Metadata,
  options = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    client[method](input, meta, options, (error: unknown, answer: Answer) => (error ? reject(error) : resolve(answer)))
  })
}

/** Everything that a stream answers. */
export async function all(stream: AsyncIterable<Answer>): Promise<Answer[]> {
  const found: Answer[] = []
  for await (const one of stream) found.push(one)
  return found
}
