import type { Verdict } from './run.ts'

export interface Facts {
  template: string
  at: string
  kernel: string
  system: string
  runtimes: { driver: string; reason: string }[]
}

const words = {
  en: {
    title: 'Compatibility',
    intro:
      'Written by `npm run compatibility`; do not edit. Each program does a small piece of real work in a fresh sandbox of each runtime, as the\nuser `user`, with 2 GiB of memory. Template `base` shows the host’s own `/usr`, so the versions are the host’s, and what is not installed there is not\nin a sandbox either.',
    host: (facts: Facts) =>
      `Run on ${facts.at}: ${facts.system}, Linux ${facts.kernel}. Template \`${facts.template}\`. Runtimes:`,
    program: 'Program',
    version: 'Version',
    works: 'works',
    fails: 'fails',
    absent: 'not installed here',
    reasons: 'What fails, and why',
    none: 'Nothing.',
    other: '中文',
  },
  zh: {
    title: '兼容性',
    intro:
      '由 `npm run compatibility` 生成，请勿手改。每个程序都在各运行时的全新沙箱中，以用户 `user`、2 GiB 内存完成一小段真实的工作。\n模板 `base` 显示宿主机自己的 `/usr`，因此版本就是宿主机的版本；宿主机没有安装的，沙箱里也没有。',
    host: (facts: Facts) =>
      `运行于 ${facts.at}：${facts.system}，Linux ${facts.kernel}。模板 \`${facts.template}\`。运行时：`,
    program: '程序',
    version: '版本',
    works: '可用',
    fails: '不可用',
    absent: '此处未安装',
    reasons: '不可用的及其原因',
    none: '没有。',
    other: 'English',
  },
}

/** The page in one language. */
export function page(language: keyof typeof words, facts: Facts, verdicts: Verdict[]): string {
  const text = words[language]
  const drivers = facts.runtimes.map(({ driver }) => driver)
  const other = language === 'en' ? 'compatibility.zh-CN.md' : 'compatibility.md'
  const cell = (outcome: string | undefined) =>
    outcome === undefined ? text.absent : outcome === '' ? text.works : `**${text.fails}**`
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`
  const failures = verdicts.flatMap(({ program, outcomes }) =>
    drivers.flatMap((driver) => (outcomes[driver] ? [`- ${program}, ${driver}: \`${plain(outcomes[driver])}\``] : [])),
  )
  return [
    `# ${text.title}`,
    `[${text.other}](${other})`,
    text.intro,
    text.host(facts),
    facts.runtimes.map(({ driver, reason }) => `- \`${driver}\`: ${reason.replace(/, booted in .*$/, '')}`).join('\n'),
    [
      row([text.program, text.version, ...drivers]),
      row(['---', '---', ...drivers.map(() => '---')]),
      ...verdicts.map(({ program, version, outcomes }) =>
        row([program, version || '–', ...drivers.map((driver) => cell(outcomes[driver]))]),
      ),
    ].join('\n'),
    `## ${text.reasons}`,
    failures.length > 0 ? failures.join('\n') : text.none,
  ]
    .join('\n\n')
    .concat('\n')
}

/** What a program said, harmless in a page: one line, no markup. */
function plain(said: string): string {
  return said.replace(/[^\x20-\x7e]+/g, ' ').replaceAll('`', "'")
}
