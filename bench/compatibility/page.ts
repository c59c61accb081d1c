import type { Program } from './programs.ts'
import type { Pair, Results, Verdict } from './results.ts'

const words = {
  en: {
    title: 'Compatibility',
    intro:
      'Written by `npm run compatibility`; do not edit. Each program does a small piece of real work in a fresh sandbox of each template on each\nruntime, as the user `user`, with 2 GiB of memory. [Template](templates.md) `base` shows the host’s own `/usr`, so its versions are the host’s; the others are a\nDebian of their own. What is not installed there can be installed into a template. A runtime that is emulated has ten times the time.\nA date beside a result: it is of that day, and the program was not installed when the rest ran.',
    command:
      '`npm run compatibility` runs what has not run yet, pair by pair; broken off, it goes on where it was. `-- --templates code-interpreter-full`\nadds what is built only on demand, `--runtimes microvm/qemu` picks runtimes, `--again` repeats what has run, `--help` tells the rest.',
    program: 'Program',
    version: 'Version',
    works: 'works',
    fails: 'fails',
    absent: 'not installed',
    unknown: 'not run',
    emulated: 'emulated',
    ran: ({ runtime, at, host }: Pair) => `${runtime}; run on ${at}, ${host}`,
    reasons: 'What fails, and why:',
    nothing: 'Nothing fails.',
    refused: (reason: string) => `does not start this template: ${reason}`,
    notRun: 'not run yet',
    missing: 'Runtimes that the machine of the last run did not have:',
    other: '中文',
    colon: ': ',
  },
  zh: {
    title: '兼容性',
    intro:
      '由 `npm run compatibility` 生成，请勿手改。每个程序都在每个模板、每个运行时的全新沙箱中，以用户 `user`、2 GiB 内存完成一小段真实的工作。\n[模板](templates.zh-CN.md) `base` 显示宿主机自己的 `/usr`，因此版本就是宿主机的版本；其余模板各有自己的 Debian。未安装的程序可以装进模板。仿真的运行时有十倍的时间。\n结果旁有日期的：是那一天的结果，其余程序运行时它没有安装。',
    command:
      '`npm run compatibility` 逐对运行还没有运行过的；中断之后从中断处继续。`-- --templates code-interpreter-full` 加上只按需构建的模板，\n`--runtimes microvm/qemu` 选择运行时，`--again` 重新运行已运行过的，其余见 `--help`。',
    program: '程序',
    version: '版本',
    works: '可用',
    fails: '不可用',
    absent: '未安装',
    unknown: '未运行',
    emulated: '仿真',
    ran: ({ runtime, at, host }: Pair) => `${runtime}；运行于 ${at}，${host}`,
    reasons: '不可用的及其原因：',
    nothing: '没有不可用的。',
    refused: (reason: string) => `不能启动这个模板：${reason}`,
    notRun: '尚未运行',
    missing: '最近一次运行的机器上没有的运行时：',
    other: 'English',
    colon: '：',
  },
}

/** The page in one language: a table for each of `templates`, with what has run there, and what has not. */
export function page(
  language: keyof typeof words,
  results: Results,
  { templates, programs }: { templates: readonly string[]; programs: readonly Pick<Program, 'name'>[] },
): string {
  const text = words[language]
  const missing = results.runtimes.filter((runtime) => runtime.missing !== undefined)
  const parts = [
    `# ${text.title}`,
    `[${text.other}](${language === 'en' ? 'compatibility.zh-CN.md' : 'compatibility.md'})`,
    text.intro,
    text.command,
    ...templates.flatMap((template) => section(template)),
  ]
  if (missing.length > 0)
    parts.push(
      text.missing,
      missing.map(({ driver, missing: reason }) => `- \`${driver}\`${text.colon}${plain(reason!)}`).join('\n'),
    )
  return parts.join('\n\n').concat('\n')

  function section(template: string): string[] {
    const pairs = results.pairs.filter((pair) => pair.template === template)
    // Strongest first, as the host tells them; one that it does not have may have run elsewhere.
    const drivers = results.runtimes.map(({ driver }) => driver)
    const others = pairs.map(({ driver }) => driver).filter((driver) => !drivers.includes(driver))
    const lines = [...drivers, ...others].flatMap((driver) => {
      const pair = pairs.find((one) => one.driver === driver)
      if (!pair && missing.some((runtime) => runtime.driver === driver)) return []
      const said = !pair ? text.notRun : pair.refused === undefined ? text.ran(pair) : text.refused(plain(pair.refused))
      return [`- \`${driver}\`${pair ? mark(pair) : ''}${text.colon}${said}`]
    })
    const ran = [...drivers, ...others].flatMap((driver) =>
      pairs.filter((pair) => pair.driver === driver && pair.refused === undefined),
    )
    return [`## \`${template}\``, lines.join('\n'), ...(ran.length > 0 ? [table(ran), failuresOf(ran)] : [])]
  }

  function table(ran: Pair[]): string {
    const row = (cells: string[]) => `| ${cells.join(' | ')} |`
    return [
      row([text.program, text.version, ...ran.map((pair) => pair.driver + mark(pair))]),
      row(['---', '---', ...ran.map(() => '---')]),
      ...programs.map(({ name }) => {
        const verdicts = ran.map(({ verdicts }) => verdicts[name])
        const version = verdicts.find((verdict) => verdict?.version)?.version ?? '–'
        return row([name, version, ...verdicts.map(cell)])
      }),
    ].join('\n')
  }

  function cell(verdict: Verdict | undefined): string {
    if (verdict === undefined) return text.unknown
    const { outcome, at } = verdict
    if (outcome === null) return text.absent
    return (outcome === '' ? text.works : `**${text.fails}**`) + (at ? ` (${at})` : '')
  }

  function failuresOf(ran: Pair[]): string {
    const failures = programs.flatMap(({ name }) =>
      ran.flatMap(({ driver, verdicts }) => {
        const outcome = verdicts[name]?.outcome
        return outcome ? [`- ${name}, ${driver}${text.colon}\`${plain(outcome)}\``] : []
      }),
    )
    return failures.length > 0 ? `${text.reasons}\n\n${failures.join('\n')}` : text.nothing
  }

  function mark({ emulated }: Pair): string {
    return emulated ? ` (${text.emulated})` : ''
  }
}

/** What a program said, harmless in a page: one line, no markup. */
function plain(said: string): string {
  return said.replace(/[^\x20-\x7e]+/g, ' ').replaceAll('`', "'")
}
