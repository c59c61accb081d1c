/**
 * What a client of E2B can call, and how that fares here. docs/e2b.md and its Chinese twin are generated from this table
 * (write-docs.ts); sdk.test.ts runs every call that is said to work or to differ, with both generations of the client, and
 * interpreter.test.ts those of the code interpreter.
 */
export interface Call {
  /** As the JavaScript client spells it. */
  name: string
  status: 'works' | 'differs' | 'absent'
  /** What differs, or why it is absent. */
  note?: { en: string; zh: string }
  /** The test that runs it, if not sdk.test.ts. */
  provenBy?: 'lifecycle.test.ts' | 'templates.test.ts'
}

const provenBy = 'lifecycle.test.ts'

const builds = {
  en: 'Proven by templates.test.ts. Every step is done in a sandbox of its own and known by what it was done to; a start command that became ready is saved with its memory where the runtime can, as gVisor does, and a sandbox of the template’s own limits goes on from there; elsewhere it is started in each sandbox, which is there when the ready command succeeds, and the build’s log says why. A start command that ends with an error fails the build. `fromBaseImage` is the template `debian` where it has been built, else `base`; `pipInstall` installs beside Debian’s packages, and npm is a package to add. Images without bash, such as Alpine’s, are built with their `sh`; the client’s own commands want bash.',
  zh: '由 templates.test.ts 验证。每一步都在独立的沙箱中执行并按其输入缓存；启动命令就绪后，在能保存内存的运行时（如 gVisor）上连同内存一起保存，按模板自身限额创建的沙箱从那里继续；其他情况下在每个沙箱中启动，就绪命令成功后沙箱才交付，构建日志会说明原因。启动命令以错误结束时构建失败。`fromBaseImage` 为已构建的模板 `debian`，否则为 `base`；`pipInstall` 与 Debian 软件包并存安装，npm 需作为软件包添加。没有 bash 的镜像（如 Alpine）用其 `sh` 构建；客户端自身的命令需要 bash。',
}

export const calls: readonly Call[] = [
  {
    name: 'Sandbox.create',
    status: 'differs',
    note: {
      en: 'Template, timeout (at most 24 hours), metadata, envs, volumes, `allowPublicTraffic`, `maskRequestHost`, `httpsPorts`, `rules`, `egressProxy`, `iam`, `mcp` and `secure: false` [of the older client](#ports-and-files) are honoured. Identity tokens are [signed by this installation](network.md#what-is-changed-on-the-way-out). Without network options the operator’s default holds, whatever `allowInternetAccess: true` says, and what `allowOut` alone names is reached besides.',
      zh: '支持模板、超时（最长 24 小时）、元数据、环境变量、卷、`allowPublicTraffic`、`maskRequestHost`、`httpsPorts`、`rules`、`egressProxy`、`iam`、`mcp` 以及[旧版客户端](#端口与文件)的 `secure: false`。身份令牌由[本安装签发](network.zh-CN.md#出口处的改写)。未给出网络选项时采用运维者的默认设置，`allowInternetAccess: true` 不改变它；仅有 `allowOut` 时，其中所列的地址另可访问。',
    },
  },
  { name: 'Sandbox.connect', status: 'works' },
  { name: 'Sandbox.list', status: 'works' },
  { name: 'Sandbox.getInfo', status: 'works' },
  { name: 'Sandbox.kill', status: 'works' },
  { name: 'sandbox.setTimeout', status: 'works' },
  { name: 'sandbox.isRunning', status: 'works' },
  {
    name: 'sandbox.getMetrics',
    status: 'differs',
    note: {
      en: 'Sampled every five seconds, kept for an hour and not over a restart of Warren. `memCache` is 0.',
      zh: '每五秒采样一次，保留一小时，Warren 重启后重新开始。`memCache` 为 0。',
    },
  },
  {
    name: 'sandbox.getHost',
    status: 'works',
    note: {
      en: 'Without a domain, names end in `.localhost`: browsers and curl find them by themselves, Node and Python need `libnss-myhostname` or the like.',
      zh: '未设域名时主机名以 `.localhost` 结尾：浏览器和 curl 可直接解析，Node 与 Python 需要 `libnss-myhostname` 等。',
    },
  },
  { name: 'sandbox.downloadUrl', status: 'works' },
  { name: 'sandbox.uploadUrl', status: 'works' },
  {
    name: 'sandbox.pause',
    status: 'works',
    provenBy,
    note: {
      en: 'What ran goes on when somebody connects. On runtimes that save no memory it stays in the memory of the host. A paused sandbox is deleted after 30 days.',
      zh: '连接后继续运行。不保存内存的运行时将其留在宿主机内存中。暂停 30 天后删除。',
    },
  },
  {
    name: 'pause with keepMemory: false',
    status: 'works',
    provenBy,
    note: {
      en: 'On runtimes whose sandboxes have a disk of their own. `connect` with `memory: false` lets what ran go on for a moment before it is given up.',
      zh: '适用于沙箱拥有自己磁盘的运行时。带 `memory: false` 的 `connect` 会在放弃内存之前短暂恢复运行。',
    },
  },
  { name: 'lifecycle.onTimeout', status: 'works', provenBy },
  {
    name: 'lifecycle.autoResume',
    status: 'works',
    provenBy,
    note: {
      en: 'The question whether it runs (`isRunning`) does not wake it; everything else that comes in does.',
      zh: '查询是否运行（`isRunning`）不会唤醒它；其他任何请求都会。',
    },
  },
  {
    name: 'sandbox.fork',
    status: 'works',
    provenBy,
    note: {
      en: 'On runtimes that save memory: gVisor and microVMs. Elsewhere 400 with the reason.',
      zh: '适用于能保存内存的运行时：gVisor 与 microVM。其他运行时返回 400 及原因。',
    },
  },
  {
    name: 'sandbox.createSnapshot',
    status: 'works',
    provenBy,
    note: {
      en: 'With what runs where the runtime saves memory, else with the files. A name that is given again replaces the snapshot that had it. What is created from it tells the template of its source.',
      zh: '运行时能保存内存时包含运行状态，否则只含文件。重复使用的名称会替换原有快照。由快照创建的沙箱显示其来源的模板。',
    },
  },
  { name: 'Sandbox.listSnapshots', status: 'works', provenBy },
  { name: 'Sandbox.deleteSnapshot', status: 'works', provenBy },
  {
    name: 'sandbox.updateNetwork',
    status: 'differs',
    note: {
      en: 'Replaces the policy, at once, on hosts where sandboxes have a network. What is allowed goes before what is denied. Rules that are added to a running sandbox set no variables in it.',
      zh: '在沙箱有网络的主机上立即替换策略。允许优先于拒绝。给运行中的沙箱添加规则时不会在其中设置变量。',
    },
  },
  {
    name: 'sandbox.getMcpUrl',
    status: 'differs',
    provenBy: 'templates.test.ts',
    note: {
      en: '`getMcpToken` too. No gateway comes with Warren: a template of your own that has a program `mcp-gateway`, named `mcp-gateway` where `Sandbox.create` shall find it by itself, is used as E2B’s is. Without one a create with `mcp` is refused.',
      zh: '`getMcpToken` 亦同。Warren 不附带网关：自建的、含有程序 `mcp-gateway` 的模板按 E2B 的方式使用；取名为 `mcp-gateway` 时 `Sandbox.create` 会自动找到它。没有该模板时，带 `mcp` 的创建会被拒绝。',
    },
  },
  { name: 'commands.run', status: 'works' },
  { name: 'commands.list', status: 'works' },
  { name: 'commands.connect', status: 'works' },
  { name: 'commands.kill', status: 'works' },
  { name: 'commands.sendStdin', status: 'works' },
  { name: 'pty.create', status: 'works' },
  { name: 'pty.sendInput', status: 'works' },
  { name: 'pty.resize', status: 'works' },
  { name: 'pty.kill', status: 'works' },
  { name: 'files.read', status: 'works' },
  {
    name: 'files.write',
    status: 'works',
    note: {
      en: 'Where the disk keeps no extended attributes, as below gVisor, the sandbox’s agent keeps the metadata of files itself: they go where the files go, but programs inside do not see them as attributes, and a file that a program renames or replaces loses them.',
      zh: '磁盘不支持扩展属性时（如 gVisor），文件元数据由沙箱内的代理保存：随文件一同保留，但沙箱内的程序无法以扩展属性读取，被程序改名或替换的文件会失去元数据。',
    },
  },
  { name: 'files.list', status: 'works' },
  { name: 'files.exists', status: 'works' },
  { name: 'files.getInfo', status: 'works' },
  { name: 'files.rename', status: 'works' },
  { name: 'files.remove', status: 'works' },
  { name: 'files.makeDir', status: 'works' },
  { name: 'files.watchDir', status: 'works' },
  {
    name: 'git.*',
    status: 'works',
    note: {
      en: 'They are commands. Remotes are reached as far as the network policy lets.',
      zh: '均为命令；能否访问远程仓库取决于网络策略。',
    },
  },
  { name: 'Template.build', status: 'differs', note: builds },
  { name: 'Template.exists', status: 'works' },
  {
    name: 'Volume.*',
    status: 'works',
    note: {
      en: 'Outside of a domain, `E2B_VOLUME_API_URL` is needed too, with the same address. Volumes have 1 GiB; [Warren’s own API](volumes.md) makes others.',
      zh: '不使用域名时还需设置 `E2B_VOLUME_API_URL`，地址相同。卷的大小为 1 GiB；其他大小由 [Warren 自己的 API](volumes.zh-CN.md) 创建。',
    },
  },
  {
    name: 'Secret.*',
    status: 'works',
    note: {
      en: 'Of the newer client. Only the current version of a value is kept. [Warren’s own API](secrets.md) also binds a secret to hosts.',
      zh: '仅新版客户端提供。只保存值的当前版本。[Warren 自己的 API](secrets.zh-CN.md) 还可将密钥绑定到主机。',
    },
  },
]

/** Those of `@e2b/code-interpreter`. */
export const interpreterCalls: readonly Call[] = [
  {
    name: 'Sandbox.create',
    status: 'differs',
    note: {
      en: '`code-interpreter-v1` is `code-interpreter`, which is built here of Debian’s packages. Until it is there, `base`, the host’s own programs, stands in for it on a host that has `python3` with IPython, matplotlib and pandas: set-up brings them.',
      zh: '`code-interpreter-v1` 即 `code-interpreter`，由 Debian 软件包在本机构建。构建完成之前，若宿主机的 `python3` 带有 IPython、matplotlib、pandas（安装步骤会带来），则由 `base`（宿主机自身程序）代替。',
    },
  },
  {
    name: 'sandbox.runCode',
    status: 'differs',
    note: {
      en: 'Python, JavaScript, TypeScript, Bash; R and Java with the template `code-interpreter-full`, or where the host has them, else they are answered with 500. Standard output comes as it is read, not line by line. An interpreter that dies is an error named `InterpreterDied` or `OutOfMemory`, and the context gets a new one.',
      zh: '支持 Python、JavaScript、TypeScript、Bash；R 与 Java 需要模板 `code-interpreter-full` 或宿主机自带，否则以 500 应答。标准输出按读取到的片段送出，不按行。解释器死亡表现为名为 `InterpreterDied` 或 `OutOfMemory` 的错误，随后上下文得到新的解释器。',
    },
  },
  {
    name: 'sandbox.createCodeContext',
    status: 'differs',
    note: {
      en: 'Code runs as the user of the sandbox, not as root. `cwd` is made where it is missing; where that user may not enter it, as `/root`, the context begins at home, and its `cwd` says so.',
      zh: '代码以沙箱用户而非 root 运行。`cwd` 不存在时会被创建；该用户无权进入时（如 `/root`），上下文从主目录开始，其 `cwd` 如实反映。',
    },
  },
  {
    name: 'sandbox.listCodeContexts',
    status: 'works',
    note: {
      en: 'The default context of a language has the name of the language as its id.',
      zh: '每种语言的默认上下文以语言名作为编号。',
    },
  },
  { name: 'sandbox.restartCodeContext', status: 'works' },
  { name: 'sandbox.removeCodeContext', status: 'works' },
]
