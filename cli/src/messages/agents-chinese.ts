import type { agentsEnglish } from './agents-english.ts'

/** What the commands about memory and evaluation of agents say in Chinese. */
export const agentsChinese: typeof agentsEnglish = {
  memory: '智能体学到的内容：运行的经验与事实',
  memoryExperiences: '运行的结果：最新的，或任务与给定任务相似的',
  memoryForget: '清除一次运行的经验',
  memoryFacts: '智能体记住的内容：最新的，或含有所问词语的',
  memoryForgetFact: '让智能体忘记一条事实',
  optionLikeTask: '一个任务：最相似的在前',
  optionLikeWords: '词语：含有最多的在前',
  optionExperienceAgent: '只要此智能体的',
  optionMost: '至多这么多',
  argumentFact: '事实的 id',
  columnRun: '运行',
  columnOutcome: '结局',
  columnTask: '任务',
  columnLike: '相似',
  columnFact: '事实',
  noExperiences: '尚无经验。',
  noFacts: '没有记住相关内容。',
  evaluate: '用案例试验智能体并与上次比较；全部通过时退出码为 0',
  argumentSuite: '含智能体及其案例的 JSON 文件',
  optionParallel: '同时进行的案例数',
  optionNoSave: '不保存结果供下次比较',
  suiteUnreadable: (path, why) => `${path} 中没有 JSON 形式的案例：${why}`,
  suiteFault: (path, where) => `${path}：${where}`,
  evalHelp: `文件：
  { "agent": "名称", "judge": "名称",
    "cases": [ { "name": "sum", "input": "6 x 7 是多少？", "exact": "42" },
               { "input": "…", "matches": "^\\\\d+$" },
               { "input": "…", "schema": { "type": "object", "required": ["total"] } },
               { "input": "…", "judge": "列出来源。" } ] }
"agent" 与 "judge" 为名称、文件路径或完整的智能体；案例可有自己的 "agent"。案例须通过它所写的全部：
"exact"、"matches"、"schema"（JSON 的）与 "judge"。结果保存在文件旁的 文件.last.json 中。`,
  columnCase: '案例',
  columnSeconds: '秒',
  columnWhy: '原因',
  evalPasses: '通过',
  evalFails: '未通过',
  evalBroken: '未通过，上次通过',
  evalFixed: '通过，上次未通过',
  evalSummary: (passed, all, tokens, usd) =>
    `${all} 个中通过 ${passed} 个，${tokens} 个 token${usd > 0 ? `，$${usd.toFixed(6)}` : ''}`,
  evalSince: (at, broken, fixed, tokens) =>
    `自 ${at} 以来：新失败 ${broken}，新通过 ${fixed}，token ${tokens >= 0 ? '+' : ''}${tokens}`,
  evalEnded: (state, why) => `运行状态为 ${state}${why ? `：${why}` : ''}`,
  evalNotExact: (expected, actual) => `不是“${expected}”，而是“${actual}”`,
  evalNoMatch: (pattern, actual) => `“${actual}”不匹配 ${pattern}`,
  evalNoJson: (actual) => `不是 JSON：“${actual}”`,
  evalNoSchema: (why) => `不符合模式：${why}`,
  evalNoVerdict: (why) => `评判者没有给出结论：${why}`,
}
