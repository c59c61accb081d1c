import { chinese } from './messages/chinese.ts'
import { english } from './messages/english.ts'

/** What the command line says, in the language of the environment. */
export const text: typeof english = speaksChinese(process.env) ? chinese : english

/** LC_ALL wins over LC_MESSAGES, which wins over LANG; an empty variable counts as absent. */
function speaksChinese({ LC_ALL, LC_MESSAGES, LANG }: Record<string, string | undefined>): boolean {
  return (LC_ALL || LC_MESSAGES || LANG || '').startsWith('zh')
}
