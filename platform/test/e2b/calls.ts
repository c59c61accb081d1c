/**
 * What a client of E2B can call, and how that fares here. docs/e2b.md and its Chinese twin are generated from this table
 * (write-docs.ts); sdk.test.ts runs every call that is said to work or to differ, with both generations of the client.
 */
export interface Call {
  /** As the JavaScript client spells it. */
  name: string
  status: 'works' | 'differs' | 'absent'
  /** What differs, or why it is absent. */
  note?: { en: string; zh: string }
}

const pause = {
  en: "Only by Warren's own API so far: clients of E2B are answered with 501 and the reason.",
  zh: '目前只有 Warren 自己的 API 支持：E2B 客户端得到 501 及其原因。',
}
const builds = {
  en: 'The one template is `base`, made of the host’s own programs; nothing is built yet: 501.',
  zh: '唯一的模板是由宿主机自身程序构成的 `base`；尚不能构建模板：返回 501。',
}

export const calls: readonly Call[] = [
  {
    name: 'Sandbox.create',
    status: 'differs',
    note: {
      en: 'Template, timeout (at most 24 hours), metadata, envs and `allowPublicTraffic` are honoured. Refused by name: `secure: false`, auto-pause, auto-resume, `mcp`, `iam`, volumes, `rules`, `egressProxy`, `maskRequestHost`, `httpsPorts`. Without network options the operator’s default holds, whatever `allowInternetAccess: true` says.',
      zh: '支持模板、超时（最长 24 小时）、元数据、环境变量和 `allowPublicTraffic`。按名称拒绝：`secure: false`、自动暂停、自动恢复、`mcp`、`iam`、卷、`rules`、`egressProxy`、`maskRequestHost`、`httpsPorts`。未给出网络选项时采用运维者的默认设置，`allowInternetAccess: true` 不改变它。',
    },
  },
  { name: 'Sandbox.connect', status: 'works' },
  {
    name: 'Sandbox.list',
    status: 'works',
    note: { en: 'None that is `paused` is listed.', zh: '不列出处于 `paused` 状态的沙箱。' },
  },
  { name: 'Sandbox.getInfo', status: 'works' },
  { name: 'Sandbox.kill', status: 'works' },
  { name: 'sandbox.setTimeout', status: 'works' },
  { name: 'sandbox.isRunning', status: 'works' },
  {
    name: 'sandbox.getMetrics',
    status: 'differs',
    note: {
      en: 'Samples are taken when somebody asks, not every few seconds. `memCache` is 0.',
      zh: '仅在查询时采样，而非每隔几秒采样。`memCache` 为 0。',
    },
  },
  {
    name: 'sandbox.getHost',
    status: 'works',
    note: {
      en: 'Names end in `.localhost`: browsers and curl find them by themselves, Node and Python need `libnss-myhostname` or the like.',
      zh: '主机名以 `.localhost` 结尾：浏览器和 curl 可直接解析，Node 与 Python 需要 `libnss-myhostname` 等。',
    },
  },
  { name: 'sandbox.downloadUrl', status: 'works' },
  { name: 'sandbox.uploadUrl', status: 'works' },
  { name: 'sandbox.pause', status: 'absent', note: pause },
  { name: 'sandbox.fork', status: 'absent', note: pause },
  { name: 'sandbox.createSnapshot', status: 'absent', note: pause },
  {
    name: 'sandbox.updateNetwork',
    status: 'differs',
    note: {
      en: 'Replaces the policy, at once, on hosts where sandboxes have a network. `rules` and `egressProxy` are refused.',
      zh: '在沙箱有网络的主机上立即替换策略。拒绝 `rules` 和 `egressProxy`。',
    },
  },
  {
    name: 'sandbox.getMcpUrl',
    status: 'absent',
    note: { en: 'There is no template with an MCP gateway.', zh: '没有带 MCP 网关的模板。' },
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
      en: 'Metadata of files needs a disk with extended attributes: the disks of the container rung have them.',
      zh: '文件元数据需要支持扩展属性的磁盘：容器级隔离的磁盘支持。',
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
  { name: 'Template.build', status: 'absent', note: builds },
  { name: 'Template.exists', status: 'works' },
  { name: 'Volume.*', status: 'absent', note: { en: 'There are no volumes yet: 501.', zh: '尚无卷：返回 501。' } },
  { name: 'Secret.*', status: 'absent', note: { en: 'No secrets are kept yet: 501.', zh: '尚不保存密钥：返回 501。' } },
]
