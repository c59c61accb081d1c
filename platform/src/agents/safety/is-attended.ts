import type { RunStarted } from '../journal/entry.ts'

/** Whether somebody is there to be asked: a conversation, or an agent that was made to ask people. */
export function isAttended({ conversation, attended, spec: { tools = [], rules = [] } }: RunStarted): boolean {
  return (
    conversation || attended === true || tools.includes('ask_human') || rules.some(({ action }) => action === 'ask')
  )
}
