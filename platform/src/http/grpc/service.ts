import type { Message, Read, Written } from '../rpc/message.ts'
import type { Procedure } from '../rpc/procedure.ts'
import type { RpcCall, ServiceDeps } from './call.ts'
import { executeCode } from './execute-code.ts'
import { downloadFile, uploadFile } from './files.ts'
import { SandboxService } from './messages.ts'
import { cloneSandbox, createSandbox, getSandbox, killSandbox, listSandboxes } from './sandboxes.ts'
import { streamLogs } from './stream-logs.ts'

type Methods = typeof SandboxService.methods
type Name = keyof Methods

/** What does a method, by the kind that it has in spec/warren/v1/sandboxes.proto. */
type Run<M> = M extends { kind: infer K; input: infer I extends Message; output: infer O extends Message }
  ? K extends 'unary'
    ? (call: RpcCall, input: Read<I>) => Promise<Written<O>>
    : K extends 'server-stream'
      ? (call: RpcCall, input: Read<I>) => AsyncIterable<Written<O>>
      : (call: RpcCall, input: AsyncIterable<Read<I>>) => Promise<Written<O>>
  : never

/** The procedures of `SandboxService`, by their names. */
export function sandboxService(deps: ServiceDeps): Record<string, Procedure<RpcCall>> {
  const runs: { [N in Name]: Run<Methods[N]> } = {
    CreateSandbox: createSandbox(deps),
    GetSandbox: getSandbox(deps),
    ListSandboxes: listSandboxes(deps),
    ExecuteCode: executeCode(deps),
    CloneSandbox: cloneSandbox(deps),
    KillSandbox: killSandbox(deps),
    UploadFile: uploadFile(deps),
    DownloadFile: downloadFile(deps),
    StreamLogs: streamLogs(deps),
  }
  const names = Object.keys(SandboxService.methods) as Name[]
  return Object.fromEntries(
    names.map((name) => [name, { ...SandboxService.methods[name], run: runs[name] } as Procedure<RpcCall>]),
  )
}
