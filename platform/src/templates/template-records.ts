import type { Selectable, Transaction } from 'kysely'
import { appendEvent } from '../events/outbox.ts'
import { step } from '../lib/step.ts'
import type { Database } from '../storage/database.ts'
import type { Tables, TemplateBuildsTable, TemplatesTable } from '../storage/tables.ts'
import type { Build, BuildLogEntry, BuildPlan, BuildReason, TemplateLimits } from './template.ts'

export type TemplateRow = Selectable<TemplatesTable>

/** The records of templates: the one writer of their tables. */
export class TemplateRecords {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** The template of this name, made where there is none, with a new build that waits. */
  async reserve(given: {
    template: { id: string; accountId: string; name: string; description: string }
    build: Pick<Build, 'id' | 'tags' | 'limits' | 'createdAt'> & { plan?: BuildPlan | undefined }
  }): Promise<{ template: TemplateRow; build: Build }> {
    const { template, build } = given
    return this.#change('template.reserve', template.name, async (tx) => {
      const { createdAt } = build
      const row = await tx
        .insertInto('templates')
        .values({
          id: template.id,
          account_id: template.accountId,
          name: template.name,
          description: template.description,
          created_at: createdAt,
          updated_at: createdAt,
        })
        .onConflict((conflict) =>
          conflict
            .columns(['account_id', 'name'])
            .where('deleted_at', 'is', null)
            .doUpdateSet({ updated_at: createdAt }),
        )
        .returningAll()
        .executeTakeFirstOrThrow()
      const built = await tx
        .insertInto('template_builds')
        .values({
          id: build.id,
          template_id: row.id,
          account_id: template.accountId,
          state: 'waiting',
          tags: JSON.stringify(build.tags),
          limits: JSON.stringify(build.limits),
          ...(build.plan ? { plan: JSON.stringify(build.plan) } : {}),
          created_at: createdAt,
        })
        .returningAll()
        .executeTakeFirstOrThrow()
      return { template: row, build: toBuild(built) }
    })
  }

  /** A template without a build, unless there is one of this name. */
  async keep(given: { id: string; accountId: string; name: string; description: string; at: Date }): Promise<void> {
    const { id, accountId, name, description, at } = given
    const insert = this.#db.kysely
      .insertInto('templates')
      .values({ id, account_id: accountId, name, description, created_at: at, updated_at: at })
      .onConflict((conflict) =>
        conflict.columns(['account_id', 'name']).where('deleted_at', 'is', null).doUpdateSet({ description }),
      )
    await step('template.keep', name, () => insert.execute())
  }

  /** Undefined when it does not wait any more. */
  async markBuilding(id: string, plan: BuildPlan): Promise<Build | undefined> {
    const change = this.#db.kysely
      .updateTable('template_builds')
      .set({ state: 'building', plan: JSON.stringify(plan) })
      .where('id', '=', id)
      .where('state', '=', 'waiting')
      .returningAll()
    const row = await step('template.building', id, () => change.executeTakeFirst())
    return row && toBuild(row)
  }

  /** Its tags stand for it from now on. */
  markReady(build: Build, at: Date): Promise<void> {
    return this.#change('template.ready', build.id, async (tx) => {
      const { id, templateId, accountId, tags } = build
      const ready = await this.#end(tx, id, { state: 'ready', finished_at: at })
      if (!ready) return
      for (const tag of tags) await putTag(tx, { templateId, tag, buildId: id, at })
      await tx.updateTable('templates').set({ updated_at: at }).where('id', '=', templateId).execute()
      await appendEvent(tx, { type: 'template.built', accountId, subject: templateId, data: { build: id, tags } })
    })
  }

  markFailed(build: Build, reason: BuildReason, at: Date): Promise<void> {
    return this.#change('template.failed', build.id, async (tx) => {
      const { id, templateId, accountId } = build
      const failed = await this.#end(tx, id, { state: 'error', reason: JSON.stringify(reason), finished_at: at })
      if (!failed) return
      const data = { build: id, reason: reason.message }
      await appendEvent(tx, { type: 'template.build_failed', accountId, subject: templateId, data })
    })
  }

  async #end(
    tx: Transaction<Tables>,
    id: string,
    change: { state: 'ready' | 'error'; reason?: string; finished_at: Date },
  ): Promise<boolean> {
    const ended = tx.updateTable('template_builds').set(change).where('id', '=', id).where('state', '=', 'building')
    return (await ended.returning('id').executeTakeFirst()) !== undefined
  }

  async tag(given: { templateId: string; tag: string; buildId: string; at: Date }): Promise<void> {
    await this.#change('template.tag', given.templateId, (tx) => putTag(tx, given))
  }

  /** Answers how many there were. */
  async untag(templateId: string, tags: readonly string[]): Promise<number> {
    const removal = this.#db.kysely
      .deleteFrom('template_tags')
      .where('template_id', '=', templateId)
      .where('tag', 'in', [...tags])
    const { numDeletedRows } = await step('template.untag', templateId, () => removal.executeTakeFirst())
    return Number(numDeletedRows)
  }

  tags(templateId: string): Promise<{ tag: string; build_id: string; created_at: Date }[]> {
    return this.#db.kysely
      .selectFrom('template_tags')
      .select(['tag', 'build_id', 'created_at'])
      .where('template_id', '=', templateId)
      .orderBy('created_at', 'desc')
      .orderBy('tag')
      .execute()
  }

  /** By id or by name; those of the platform are everybody's. */
  async find(accountId: string, idOrName: string): Promise<TemplateRow | undefined> {
    const rows = await this.#db.kysely
      .selectFrom('templates')
      .selectAll()
      .where('deleted_at', 'is', null)
      .where('account_id', 'in', [accountId, ''])
      .where((is) => is.or([is('id', '=', idOrName), is('name', '=', idOrName)]))
      .execute()
    return rows.find((row) => row.account_id === accountId) ?? rows[0]
  }

  /** By name, those of the platform too. What has a name no more is not among them. */
  async ids(accountId: string, names: readonly string[]): Promise<Map<string, string>> {
    if (names.length === 0) return new Map()
    const rows = await this.#db.kysely
      .selectFrom('templates')
      .select(['id', 'name'])
      .where('deleted_at', 'is', null)
      .where('account_id', 'in', [accountId, ''])
      .where('name', 'in', [...names])
      .orderBy('account_id')
      .execute()
    return new Map(rows.map(({ id, name }) => [name, id]))
  }

  list(accountId: string): Promise<TemplateRow[]> {
    return this.#db.kysely
      .selectFrom('templates')
      .selectAll()
      .where('deleted_at', 'is', null)
      .where('account_id', 'in', [accountId, ''])
      .orderBy('created_at')
      .execute()
  }

  /** Newest first. */
  async builds(templateIds: readonly string[]): Promise<Build[]> {
    if (templateIds.length === 0) return []
    const rows = await this.#db.kysely
      .selectFrom('template_builds')
      .selectAll()
      .where('template_id', 'in', [...templateIds])
      .orderBy('created_at', 'desc')
      .execute()
    return rows.map(toBuild)
  }

  async build(id: string): Promise<Build | undefined> {
    const row = await this.#db.kysely.selectFrom('template_builds').selectAll().where('id', '=', id).executeTakeFirst()
    return row && toBuild(row)
  }

  async taggedBuild(templateId: string, tag: string): Promise<Build | undefined> {
    const row = await this.#db.kysely
      .selectFrom('template_tags')
      .innerJoin('template_builds', 'template_builds.id', 'template_tags.build_id')
      .selectAll('template_builds')
      .where('template_tags.template_id', '=', templateId)
      .where('template_tags.tag', '=', tag)
      .executeTakeFirst()
    return row && toBuild(row)
  }

  /** Those that an earlier process left in the making. */
  async unfinished(): Promise<Build[]> {
    const rows = await this.#db.kysely
      .selectFrom('template_builds')
      .selectAll()
      .where('state', '=', 'building')
      .orderBy('created_at')
      .execute()
    return rows.map(toBuild)
  }

  /** Nobody can see it any more. `forget` is done with it or not at all. */
  async remove(template: TemplateRow, at: Date, forget: (tx: Transaction<Tables>) => Promise<void>): Promise<void> {
    const { id, account_id: accountId } = template
    await this.#change('template.delete', id, async (tx) => {
      await tx.updateTable('templates').set({ deleted_at: at }).where('id', '=', id).execute()
      await forget(tx)
      await appendEvent(tx, { type: 'template.deleted', accountId, subject: id, data: {} })
    })
  }

  /** Forgets what was deleted before that time, and builds that nobody ever started. */
  async forget(before: Date, kept: readonly string[]): Promise<void> {
    await this.#change('template.forget', 'oldest', async (tx) => {
      const deleted = tx.deleteFrom('templates').where('deleted_at', '<', before)
      await (kept.length === 0
        ? deleted
        : deleted.where('id', 'not in', (is) =>
            is
              .selectFrom('template_builds')
              .select('template_id')
              .where('id', 'in', [...kept]),
          )
      ).execute()
      await tx.deleteFrom('template_builds').where('state', '=', 'waiting').where('created_at', '<', before).execute()
    })
  }

  /** Ids of all builds that there are. */
  async buildIds(): Promise<Set<string>> {
    const rows = await this.#db.kysely.selectFrom('template_builds').select('id').execute()
    return new Set(rows.map(({ id }) => id))
  }

  /** Ids of those that a tag names: from them alone sandboxes are started by name. */
  async taggedBuildIds(): Promise<Set<string>> {
    const rows = await this.#db.kysely.selectFrom('template_tags').select('build_id').distinct().execute()
    return new Set(rows.map(({ build_id }) => build_id))
  }

  /** Adds to what a build has said, from the line number `seq` on. */
  async log(buildId: string, seq: number, entries: readonly BuildLogEntry[]): Promise<void> {
    const rows = entries.map(({ at, level, step: of, message }, index) => ({
      build_id: buildId,
      seq: seq + index,
      at,
      level,
      step: of ?? null,
      message,
    }))
    const insert = this.#db.kysely
      .insertInto('template_logs')
      .values(rows)
      .onConflict((conflict) => conflict.doNothing())
    await step('template.log', buildId, () => insert.execute())
  }

  async clearLogs(buildId: string): Promise<void> {
    const removal = this.#db.kysely.deleteFrom('template_logs').where('build_id', '=', buildId)
    await step('template.log_clear', buildId, () => removal.execute())
  }

  async logs(
    buildId: string,
    page: { offset: number; limit: number; levels: readonly string[] },
  ): Promise<BuildLogEntry[]> {
    const rows = await this.#db.kysely
      .selectFrom('template_logs')
      .selectAll()
      .where('build_id', '=', buildId)
      .where('level', 'in', [...page.levels])
      .orderBy('seq')
      .offset(page.offset)
      .limit(page.limit)
      .execute()
    return rows.map(toLogEntry)
  }

  async searchLogs(
    buildId: string,
    search: { at?: Date | undefined; first: 'oldest' | 'newest'; limit: number; levels: readonly string[] },
  ): Promise<BuildLogEntry[]> {
    const { at, first, limit, levels } = search
    const rows = await this.#db.kysely
      .selectFrom('template_logs')
      .selectAll()
      .where('build_id', '=', buildId)
      .where('level', 'in', [...levels])
      .$if(at !== undefined, (query) => query.where('at', first === 'oldest' ? '>=' : '<=', at!))
      .orderBy('seq', first === 'oldest' ? 'asc' : 'desc')
      .limit(limit)
      .execute()
    return rows.map(toLogEntry)
  }

  #change<T>(name: string, id: string, work: (tx: Transaction<Tables>) => Promise<T>): Promise<T> {
    return step(name, id, () => this.#db.transaction(work))
  }
}

async function putTag(
  tx: Transaction<Tables>,
  { templateId, tag, buildId, at }: { templateId: string; tag: string; buildId: string; at: Date },
): Promise<void> {
  await tx
    .insertInto('template_tags')
    .values({ template_id: templateId, tag, build_id: buildId, created_at: at })
    .onConflict((conflict) =>
      conflict.columns(['template_id', 'tag']).doUpdateSet({ build_id: buildId, created_at: at }),
    )
    .execute()
}

function toBuild(row: Selectable<TemplateBuildsTable>): Build {
  return {
    id: row.id,
    templateId: row.template_id,
    accountId: row.account_id,
    state: row.state,
    plan: (row.plan as BuildPlan | null) ?? undefined,
    tags: row.tags,
    limits: row.limits as TemplateLimits,
    reason: (row.reason as BuildReason | null) ?? undefined,
    createdAt: row.created_at,
    finishedAt: row.finished_at ?? undefined,
  }
}

function toLogEntry({ at, level, step: of, message }: Selectable<Tables['template_logs']>): BuildLogEntry {
  return { at, level: level as BuildLogEntry['level'], step: of ?? undefined, message }
}
