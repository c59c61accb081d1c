import { hash } from 'node:crypto'
import { step } from '../../lib/step.ts'
import type { Database } from '../../storage/database.ts'
import { object } from './sandbox-tools.ts'
import type { Tool } from './tool.ts'

const mostShown = 50

/** What an agent keeps from run to run, and how it is found again: by the words of a question. The one writer of the table. */
export function factTools(
  { db, now }: { db: Database; now: () => Date },
  whose: { accountId: string; agent: string; runId: string },
): Tool[] {
  const { accountId, agent, runId } = whose
  return [
    {
      name: 'remember',
      description:
        'Keeps a fact for later runs. Only what will be useful again, in one sentence that can be understood alone.',
      inputSchema: object({ fact: { type: 'string', minLength: 1, maxLength: 2000 } }, ['fact']),
      effect: 'idempotent',
      handler: async (_context, { fact }: { fact: string }) => {
        const text = fact.trim()
        const insert = db.kysely
          .insertInto('agent_facts')
          .values({ account_id: accountId, agent, hash: hash('sha256', text, 'hex'), text, run_id: runId, at: now() })
          .onConflict((conflict) => conflict.doNothing())
        await step('agent.remember', runId, () => insert.execute())
        return 'It is kept.'
      },
    },
    {
      name: 'recall',
      description: 'Finds facts that were kept, by words that occur in them.',
      inputSchema: object({ words: { type: 'string', minLength: 1, maxLength: 500 } }, ['words']),
      effect: 'read',
      handler: async (_context, { words }: { words: string }) => {
        const rows = await db.kysely
          .selectFrom('agent_facts')
          .select('text')
          .where('account_id', '=', accountId)
          .where('agent', '=', agent)
          .orderBy('at', 'desc')
          .limit(1000)
          .execute()
        const wanted = wordsOf(words)
        const found = rows
          .map(({ text }) => ({ text, score: wordsOf(text).filter((word) => wanted.includes(word)).length }))
          .filter(({ score }) => score > 0)
          .sort((a, b) => b.score - a.score)
        return (
          found
            .slice(0, mostShown)
            .map(({ text }) => `- ${text}`)
            .join('\n') || 'Nothing is known of that.'
        )
      },
    },
  ]
}

/** Chinese has no spaces: there each character counts. */
function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/\p{Script=Han}|[\p{L}\p{N}]+/gu) ?? []
}
