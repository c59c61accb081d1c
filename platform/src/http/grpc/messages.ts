// Written by write-messages.ts from spec/warren/v1/sandboxes.proto. Not to be changed by hand.
import { map, message, optional, plain, repeated } from '../rpc/message.ts'

export const Limits = message({
  cpuCores: optional(1, 'double'),
  memoryMb: optional(2, 'uint32'),
  diskMb: optional(3, 'uint32'),
  maxProcesses: optional(4, 'uint32'),
  maxOpenFiles: optional(5, 'uint32'),
})

export const HeaderRule = message({ host: plain(1, 'string'), set: map(2), remove: repeated(3, 'string') })

export const OutgoingProxy = message({
  address: plain(1, 'string'),
  username: optional(2, 'string'),
  password: optional(3, 'string'),
})

export const SetNetwork = message({
  internet: optional(1, 'bool'),
  allow: repeated(2, 'string'),
  deny: repeated(3, 'string'),
  bandwidthMbps: optional(4, 'double'),
  rules: repeated(5, HeaderRule),
  secrets: repeated(6, 'string'),
  proxy: optional(7, OutgoingProxy),
  identity: map(8),
})

export const MountVolume = message({
  name: plain(1, 'string'),
  path: plain(2, 'string'),
  readOnly: optional(3, 'bool'),
})

export const Isolation = message({
  min: optional(1, 'string'),
  driver: optional(2, 'string'),
  gpu: optional(3, 'bool'),
})

export const CreateSandboxRequest = message({
  template: optional(1, 'string'),
  timeout: optional(2, 'uint32'),
  env: map(3),
  metadata: map(4),
  snapshot: optional(5, 'string'),
  limits: optional(6, Limits),
  network: optional(7, SetNetwork),
  onTimeout: optional(8, 'string'),
  keepMemory: optional(9, 'bool'),
  autoResume: optional(10, 'bool'),
  volumes: repeated(11, MountVolume),
  isolation: optional(12, Isolation),
})

export const GetSandboxRequest = message({ id: plain(1, 'string') })

export const ListSandboxesRequest = message({
  state: optional(1, 'string'),
  metadata: map(2),
  limit: optional(3, 'uint32'),
  cursor: optional(4, 'string'),
})

export const PassedOver = message({ driver: plain(1, 'string'), reason: plain(2, 'string') })

export const Runtime = message({
  driver: plain(1, 'string'),
  isolation: plain(2, 'string'),
  disk: plain(3, 'string'),
  unenforced: repeated(4, 'string'),
  passedOver: repeated(5, PassedOver),
})

export const ChangedHeaders = message({
  host: plain(1, 'string'),
  set: repeated(2, 'string'),
  remove: repeated(3, 'string'),
})

export const ProxyPlace = message({ address: plain(1, 'string'), username: optional(2, 'string') })

export const NetworkPolicy = message({
  internet: plain(1, 'bool'),
  allow: repeated(2, 'string'),
  deny: repeated(3, 'string'),
  bandwidthMbps: optional(4, 'double'),
  rules: repeated(5, ChangedHeaders),
  secrets: repeated(6, 'string'),
  proxy: optional(7, ProxyPlace),
  identity: map(8),
})

export const Ports = message({ urlTemplate: plain(1, 'string'), pathTemplate: plain(2, 'string') })

export const Sandbox = message({
  id: plain(1, 'string'),
  state: plain(2, 'string'),
  template: plain(3, 'string'),
  runtime: optional(4, Runtime),
  limits: optional(5, Limits),
  network: optional(6, NetworkPolicy),
  volumes: repeated(7, MountVolume),
  metadata: map(8),
  createdAt: optional(9, 'timestamp'),
  expiresAt: optional(10, 'timestamp'),
  memory: optional(11, 'string'),
  endReason: optional(12, 'string'),
  onTimeout: plain(13, 'string'),
  keepMemory: plain(14, 'bool'),
  autoResume: plain(15, 'bool'),
  warm: plain(16, 'bool'),
  ports: optional(17, Ports),
})

export const ListSandboxesResponse = message({ sandboxes: repeated(1, Sandbox), nextCursor: optional(2, 'string') })

export const CloneSandboxRequest = message({
  id: plain(1, 'string'),
  timeout: optional(2, 'uint32'),
  env: map(3),
  metadata: map(4),
})

export const KillSandboxRequest = message({ id: plain(1, 'string') })

export const KillSandboxResponse = message({})

export const ExecuteCodeRequest = message({
  id: plain(1, 'string'),
  code: optional(2, 'string'),
  language: optional(3, 'string'),
  command: optional(4, 'string'),
  argv: repeated(5, 'string'),
  env: map(6),
  cwd: optional(7, 'string'),
  user: optional(8, 'string'),
  timeout: optional(9, 'double'),
  stdin: optional(10, 'string'),
})

export const ProcessStarted = message({ processId: plain(1, 'string'), pid: plain(2, 'uint32') })

export const ProcessOutput = message({ data: plain(1, 'bytes'), offset: plain(2, 'int64') })

export const ProcessExit = message({
  exitCode: optional(1, 'int32'),
  signal: optional(2, 'string'),
  reason: plain(3, 'string'),
  ms: plain(4, 'double'),
  truncated: plain(5, 'bool'),
})

export const ExecuteCodeResponse = message({
  started: optional(1, ProcessStarted),
  stdout: optional(2, ProcessOutput),
  stderr: optional(3, ProcessOutput),
  exit: optional(4, ProcessExit),
})

export const UploadTarget = message({
  id: plain(1, 'string'),
  path: plain(2, 'string'),
  user: optional(3, 'string'),
  mode: optional(4, 'string'),
  size: optional(5, 'int64'),
})

export const UploadFileRequest = message({ target: optional(1, UploadTarget), data: optional(2, 'bytes') })

export const FileStat = message({
  path: plain(1, 'string'),
  name: plain(2, 'string'),
  type: plain(3, 'string'),
  size: plain(4, 'int64'),
  mode: plain(5, 'string'),
  uid: plain(6, 'uint32'),
  gid: plain(7, 'uint32'),
  owner: plain(8, 'string'),
  group: plain(9, 'string'),
  modifiedAt: optional(10, 'timestamp'),
  symlinkTarget: optional(11, 'string'),
})

export const DownloadFileRequest = message({
  id: plain(1, 'string'),
  path: plain(2, 'string'),
  user: optional(3, 'string'),
  offset: optional(4, 'int64'),
  length: optional(5, 'int64'),
})

export const DownloadFileResponse = message({ file: optional(1, FileStat), data: optional(2, 'bytes') })

export const StreamLogsRequest = message({
  id: plain(1, 'string'),
  after: optional(2, 'int64'),
  follow: optional(3, 'bool'),
})

export const LogEntry = message({
  seq: plain(1, 'int64'),
  at: optional(2, 'timestamp'),
  processId: plain(3, 'string'),
  stream: plain(4, 'string'),
  data: plain(5, 'bytes'),
})

export const Problem = message({
  code: plain(1, 'string'),
  message: plain(2, 'string'),
  hint: optional(3, 'string'),
  detailsJson: optional(4, 'string'),
  requestId: plain(5, 'string'),
})

export const SandboxService = {
  name: 'warren.v1.SandboxService',
  methods: {
    CreateSandbox: { input: CreateSandboxRequest, output: Sandbox, kind: 'unary' },
    GetSandbox: { input: GetSandboxRequest, output: Sandbox, kind: 'unary' },
    ListSandboxes: { input: ListSandboxesRequest, output: ListSandboxesResponse, kind: 'unary' },
    ExecuteCode: { input: ExecuteCodeRequest, output: ExecuteCodeResponse, kind: 'server-stream' },
    CloneSandbox: { input: CloneSandboxRequest, output: Sandbox, kind: 'unary' },
    KillSandbox: { input: KillSandboxRequest, output: KillSandboxResponse, kind: 'unary' },
    UploadFile: { input: UploadFileRequest, output: FileStat, kind: 'client-stream' },
    DownloadFile: { input: DownloadFileRequest, output: DownloadFileResponse, kind: 'server-stream' },
    StreamLogs: { input: StreamLogsRequest, output: LogEntry, kind: 'server-stream' },
  },
} as const
