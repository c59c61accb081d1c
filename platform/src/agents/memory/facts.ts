import { hash } from 'node:crypto'
import { sql } from 'kysely'
import { LexicalIndex } from '../../kernel/experience/lexical-index.ts'
import { wordsOf } from '../../kernel/experience/words-of.ts'
import { step } from '../../lib/step.ts'
import type { Database, Queries } from '../../storage/database.ts'
import { object } from '../tools/sandbox-tools.ts'
import { type Tool, ToolError } from '../tools/tool.ts'

/** Facts that are looked through, the newest ones; of those that are found, how many are told, and in how many characters. */
const mostRead = 1000
const mostFound = 50
const mostToldChars = 6000
const idChars = 8
/** Facts that share so much of their words may say the same, or the contrary; so many are shown to whoever keeps another one. */
const leastShared = 0.5
const mostAlike = 3
const dayMs = 86_400_000

export interface FactDeps {
  db: Database
  now: () => Date
}

interface Whose {
  accountId: string
  agent: string
}

/** A fact as people see it. */
export interface Fact {
  id: string
  text: string
  runId: string
  at: Date
  expiresAt: Date | undefined
}

/** Facts of an agent that hold: the newest, or those with words of `like`, best first. */
export async function findFacts(
  deps: FactDeps,
  whose: Whose,
  { like, limit }: { like?: string | undefined; limit: number },
): Promise<Fact[]> {
  const query = holding(deps, whose).select(['hash', 'text', 'run_id', 'at', 'expires_at'])
  const rows = await query
    .orderBy('at', 'desc')
    .orderBy('hash')
    .limit(like === undefined ? limit : mostRead)
    .execute()
  const facts = rows.map(
    ({ hash: key, text, run_id, at, expires_at }): Fact => ({
      id: key.slice(0, idChars),
      text,
      runId: run_id,
      at,
      expiresAt: expires_at ?? undefined,
    }),
  )
  if (like === undefined) return facts
  const index = new LexicalIndex()
  for (const { text } of facts) index.add(text)
  return index.search(like, limit).map(({ row }) => facts[row]!)
}

/** Whether there is any, also of those that hold no more: an agent that was given with its run has no other trace. */
export async function hasFacts({ db }: FactDeps, { accountId, agent }: Whose): Promise<boolean> {
  const query = db.kysely.selectFrom('agent_facts').select('hash').where('account_id', '=', accountId)
  return (await query.where('agent', '=', agent).limit(1).executeTakeFirst()) !== undefined
}

/** Deletes it, whether it holds or another has taken its place. False when there is none. */
export async function forgetFact({ db }: FactDeps, { accountId, agent }: Whose, id: string): Promise<boolean> {
  const query = db.kysely
    .deleteFrom('agent_facts')
    .where('account_id', '=', accountId)
    .where('agent', '=', agent)
    .where('hash', 'like', `${id}%`)
  const { numDeletedRows } = await step('agent.forget_fact', id, () => query.executeTakeFirstOrThrow())
  return numDeletedRows > 0n
}

/** All that an agent knew, with the agent. */
export async function forgetFactsOf(tx: Queries, { accountId, agent }: Whose): Promise<void> {
  await tx.deleteFrom('agent_facts').where('account_id', '=', accountId).where('agent', '=', agent).execute()
}

/** Deletes at most `most` facts that held until before that time; answers how many. */
export async function forgetExpiredFacts({ db }: FactDeps, before: Date, most: number): Promise<number> {
  const { numAffectedRows } = await step('agent.forget_facts', 'expired', () =>
    sql`delete from agent_facts where ctid = any(array(select ctid from agent_facts where expires_at < ${before} limit ${most}))`.execute(
      db.kysely,
    ),
  )
  return Number(numAffectedRows ?? 0)
}

function holding({ db, now }: FactDeps, { accountId, agent }: Whose) {
  return db.kysely
    .selectFrom('agent_facts')
    .where('account_id', '=', accountId)
    .where('agent', '=', agent)
    .where('superseded_by', 'is', null)
    .where((where) => where.or([where('expires_at', 'is', null), where('expires_at', '>', now())]))
}

/**
 * What an agent keeps from run to run, and how it is found again: by the words of a question. A fact says which run it is from; it
 * may hold for some days only, and another may take its place. The one writer of the table.
 */
export function factTools(deps: FactDeps, whose: Whose & { runId: string }): Tool[] {
  const { db, now } = deps
  const { accountId, agent, runId } = whose
  return [
    {
      name: 'remember',
      description:
        'Keeps a fact for later runs. Only what will be useful again, in one sentence that can be understood alone. If it makes an earlier fact untrue, name that one in "replaces".',
      inputSchema: object(
        {
          fact: { type: 'string', minLength: 1, maxLength: 2000 },
          days: { type: 'integer', minimum: 1, maximum: 3650, description: 'How long it holds. Default: always.' },
          replaces: {
            type: 'string',
            pattern: `^[0-9a-f]{${idChars}}$`,
            description: 'Id of the fact whose place it takes, as recall shows it.',
          },
        },
        ['fact'],
      ),
      effect: 'idempotent',
      handler: async (_context, { fact, days, replaces }: { fact: string; days?: number; replaces?: string }) => {
        const text = fact.trim()
        const key = hash('sha256', text, 'hex')
        const at = now()
        const known = { run_id: runId, at, expires_at: days ? new Date(at.getTime() + days * dayMs) : null }
        await step('agent.remember', runId, () =>
          db.transaction(async (tx) => {
            await tx
              .insertInto('agent_facts')
              .values({ ...known, account_id: accountId, agent, hash: key, text, superseded_by: null })
              .onConflict((conflict) =>
                conflict.columns(['account_id', 'agent', 'hash']).doUpdateSet({ ...known, superseded_by: null }),
              )
              .execute()
            if (!replaces || key.startsWith(replaces)) return
            const { numUpdatedRows } = await tx
              .updateTable('agent_facts')
              .set({ superseded_by: key })
              .where('account_id', '=', accountId)
              .where('agent', '=', agent)
              .where('hash', 'like', `${replaces}%`)
              .executeTakeFirstOrThrow()
            if (numUpdatedRows === 0n)
              throw new ToolError('not_found', `there is no fact ${replaces} that could be replaced`, {
                happened: false,
              })
          }),
        )
        const alike = await factsLike(deps, whose, text)
        const told = [`It is kept as ${key.slice(0, idChars)}.`]
        if (alike.length > 0) told.push('These are like it; keep it again with "replaces" where one is true no more:')
        return [...told, ...alike.map(lineOf)].join('\n')
      },
    },
    {
      name: 'recall',
      description: 'Finds facts that were kept, by words that occur in them; those that hold, with their ids.',
      inputSchema: object({ words: { type: 'string', minLength: 1, maxLength: 500 } }, ['words']),
      effect: 'read',
      handler: async (_context, { words }: { words: string }) => {
        const lines: string[] = []
        let room = mostToldChars
        for (const fact of await findFacts(deps, whose, { like: words, limit: mostFound })) {
          const line = lineOf(fact)
          if (line.length > room) break
          room -= line.length
          lines.push(line)
        }
        return lines.join('\n') || 'Nothing is known of that.'
      },
    },
  ]
}

/** Others that hold and share most of their words with a text, whichever is the shorter. */
async function factsLike(deps: FactDeps, whose: Whose, text: string): Promise<Fact[]> {
  const mine = new Set(wordsOf(text))
  const found = await findFacts(deps, whose, { like: text, limit: 4 * mostAlike })
  const alike = found.filter((fact) => {
    const words = new Set(wordsOf(fact.text))
    const shared = [...words].filter((word) => mine.has(word)).length
    return fact.text !== text && shared >= leastShared * Math.min(words.size, mine.size)
  })
  return alike.slice(0, mostAlike)
}

function lineOf({ id, text, runId, at, expiresAt }: Fact): string {
  const until = expiresAt ? `, until ${dayOf(expiresAt)}` : ''
  return `- ${text} [${id}, ${dayOf(at)}, run ${runId}${until}]`
}

function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10)
}
