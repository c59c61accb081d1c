import { randomUUID } from 'node:crypto'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Account } from '../accounts/account.ts'
import type { Config } from '../config.ts'
import type { Engine } from '../engine/engine.ts'
import type { Image } from '../engine/images/images.ts'
import type { StartCommand } from '../engine/start-command.ts'
import { WarrenError } from '../errors.ts'
import { newId } from '../lib/id.ts'
import type { Database } from '../storage/database.ts'
import type { Logger } from '../telemetry/logger.ts'
import { base, baseImage } from './base.ts'
import { preferredBase } from './build/base-image.ts'
import type { PullImage } from './build/pull-image.ts'
import type { BuildQueueDeps } from './build-queue.ts'
import { Builder, type BuilderDeps } from './builder.ts'
import { collectGarbage } from './collect-garbage.ts'
import { isPlatformTemplate, platformTemplates } from './platform-templates.ts'
import { startsFromBase } from './stand-in.ts'
import {
  type Build,
  type BuildLogEntry,
  type BuildPlan,
  type BuildState,
  checkTag,
  defaultTag,
  isBuildId,
  type LogPage,
  type LogSearch,
  levelsFrom,
  parseReference,
  plainNameOf,
  type RegistryCredentials,
  type RequestedBuild,
  type Template,
  type TemplateLimits,
  unknownTemplate,
} from './template.ts'
import { TemplateRecords, type TemplateRow } from './template-records.ts'
import { TemplateUses } from './template-uses.ts'
import { Uploads } from './uploads.ts'

/** What a sandbox of a template starts with. */
export interface StartingPoint {
  /** The template's name. */
  name: string
  /** What the engine knows it by: `base`, or the id of a build. */
  template: string
  limits: TemplateLimits
  start?: StartCommand
}

interface TemplatesOptions extends BuildQueueDeps {
  db: Database
  engine: Engine
  home: string
  config: Pick<Config, 'defaultLimits' | 'templates' | 'templateStarts'>
  pull?: PullImage | undefined
  networks: BuilderDeps['networks']
  now: () => Date
  logger: Logger
}

/** Pause between two looks at a build that is waited for, milliseconds. */
const lookEveryMs = 200

/** The templates that a sandbox can start from, and how they are built. */
export class Templates {
  readonly #records: TemplateRecords
  /** How often each is used. */
  readonly uses: TemplateUses
  readonly #engine: Engine
  readonly #uploads: Uploads
  readonly #builder: Builder
  readonly #now: () => Date
  readonly #logger: Logger
  readonly #config: TemplatesOptions['config']
  readonly #closing = new AbortController()
  #sweeping: NodeJS.Timeout | undefined

  private constructor(options: TemplatesOptions, uploads: Uploads) {
    const { db, engine, config, pull, networks, hold, giveWay, now, logger } = options
    this.#records = new TemplateRecords(db)
    this.uses = new TemplateUses(db)
    this.#engine = engine
    this.#uploads = uploads
    this.#now = now
    this.#logger = logger
    this.#config = config
    this.#builder = new Builder({
      engine,
      records: this.#records,
      uploads,
      ...{ pull, networks, hold, giveWay },
      imageOf: (accountId, template, signal) => this.#imageOf(accountId, template, signal),
      limits: config.defaultLimits,
      starts: config.templateStarts,
      now,
      logger,
    })
  }

  static async open(options: TemplatesOptions): Promise<Templates> {
    return new Templates(options, await Uploads.open(options.home))
  }

  /** After the engine has taken up what lives: goes on with builds, and removes what nothing needs. */
  async recover(): Promise<void> {
    await this.#collect()
    for (const { name, description } of platformTemplates)
      await this.#records.keep({ id: newId('t'), accountId: '', name, description, at: this.#now() })
    for (const build of await this.#records.unfinished()) this.#builder.begin(build)
    if (this.#config.templates === 'background') void this.#buildOwn()
    this.#sweeping = setInterval(() => void this.#collect(), 3_600_000).unref()
  }

  /** The platform's own templates, one after the other, so that they leave room for everything else. */
  async #buildOwn(): Promise<void> {
    const giveUp = this.#closing.signal
    for (const { name } of platformTemplates.filter(({ onDemand }) => !onDemand)) {
      try {
        const row = await this.#find('', name)
        await this.#ensureOwn(row)
        await this.#usableBuild('', name, giveUp)
      } catch (error) {
        if (giveUp.aborted) return
        // Whoever asks for it is told too, and has it tried again.
        this.#logger.warn(
          { reason: (error as Error).message, template: name },
          'a template of the platform was not built',
        )
      }
    }
  }

  /** Begins to build a template of the platform whose packages are not those of a build that is there or being made. */
  async #ensureOwn(row: TemplateRow): Promise<void> {
    const wanted = platformTemplates.find(({ name }) => name === row.name)
    if (!wanted || row.account_id !== '') return
    const plan: BuildPlan = { from: { packages: wanted.packages }, steps: [] }
    const isThere = (await this.#records.builds([row.id])).some(
      (build) => ['ready', 'building'].includes(build.state) && isDeepStrictEqual(build.plan, plan),
    )
    if (isThere || this.#closing.signal.aborted) return
    const { build } = await this.#records.reserve({
      template: { id: row.id, accountId: '', name: row.name, description: row.description },
      build: { id: randomUUID(), tags: [defaultTag], limits: {}, createdAt: this.#now() },
    })
    const building = await this.#records.markBuilding(build.id, plan)
    if (building) this.#builder.begin(building)
  }

  async close(): Promise<void> {
    this.#closing.abort()
    clearInterval(this.#sweeping)
    await this.#builder.close()
  }

  async list(account: Account): Promise<Template[]> {
    const rows = await this.#records.list(account.id)
    const builds = await this.#records.builds(rows.map(({ id }) => id))
    return [base, ...(await Promise.all(rows.map((row) => this.#view(row, builds))))]
  }

  async get(account: Account, idOrName: string): Promise<Template> {
    const name = plainNameOf(idOrName)
    if (name === base.name) return base
    const row = await this.#find(account.id, name)
    return this.#view(row, await this.#records.builds([row.id]))
  }

  /** Whether a sandbox of it starts from nothing but what every machine has. */
  isBase = ({ id }: Account, reference: string): Promise<boolean> => startsFromBase(this.#records, id, reference)

  /** What a sandbox starts from; waits for a build that is being made, unless `base` stands in for it. Throws `not_found`. */
  async find(account: Account, reference: string, signal: AbortSignal): Promise<StartingPoint> {
    if (await this.isBase(account, reference)) return { name: base.name, template: base.name, limits: {} }
    const { name, build } = await this.#usableBuild(account.id, reference, signal)
    if (!build) return { name, template: base.name, limits: {} }
    const { startCommand, readyCommand: ready } = build.plan ?? {}
    const command = startCommand ?? (await this.#engine.images.read(build.id)).startCommand
    const start = command ? { command, ...(ready ? { ready } : {}) } : undefined
    return { name, template: build.id, limits: build.limits, ...(start ? { start } : {}) }
  }

  /** A template of this name, made where there is none, with a build that waits for `build`. */
  async request(
    account: Account,
    { name, tags, limits, plan }: RequestedBuild,
  ): Promise<{ template: Template; build: Build }> {
    const { name: own, tag } = parseReference(name)
    if (isPlatformTemplate(own)) throw new WarrenError('forbidden', `"${own}" is a template of the platform`)
    for (const one of tags) checkTag(one)
    const wanted = [...new Set([...(name.includes(':') || tags.length === 0 ? [tag] : []), ...tags])]
    const { template, build } = await this.#records.reserve({
      template: { id: newId('t'), accountId: account.id, name: own, description: '' },
      build: { id: randomUUID(), tags: wanted, limits, plan, createdAt: this.#now() },
    })
    return { template: await this.#view(template, [build]), build }
  }

  /** Begins a build that was requested, as now `given` or then. Throws `not_found`; `invalid_request` where it cannot begin. */
  async build(
    account: Account,
    ids: { template: string; build: string },
    given?: BuildPlan,
    credentials?: RegistryCredentials,
  ): Promise<Build> {
    const { build } = await this.#own(account, ids)
    const plan = given ?? build.plan
    if (!plan) throw new WarrenError('invalid_request', `build ${build.id} was requested without a Dockerfile`)
    const building = await this.#records.markBuilding(build.id, plan)
    if (!building)
      throw new WarrenError('invalid_request', `build ${build.id} was started already: it is ${build.state}`, {
        hint: 'Request a new build of the template.',
      })
    this.#builder.begin(building, credentials)
    return building
  }

  /** All of a template, newest first. */
  async builds(account: Account, idOrName: string): Promise<Build[]> {
    const name = plainNameOf(idOrName)
    return name === base.name ? [] : this.#records.builds([(await this.#find(account.id, name)).id])
  }

  async buildStatus(
    account: Account,
    ids: { template: string; build: string },
    { offset, limit, level = 'debug' }: LogPage,
  ): Promise<{ build: Build; logs: BuildLogEntry[] }> {
    const { id } = (await this.#own(account, ids)).build
    // The logs are read first: when the answer says that it is over, a later page has what is missing.
    const logs = await this.#records.logs(id, { offset, limit, levels: levelsFrom(level) })
    return { build: (await this.#own(account, ids)).build, logs }
  }

  /** What a build has said, from a moment on or back from it. */
  async buildLogs(account: Account, ids: { template: string; build: string }, search: LogSearch) {
    const { build } = await this.#own(account, ids)
    return this.#records.searchLogs(build.id, { ...search, levels: levelsFrom(search.level ?? 'debug') })
  }

  ids = (accountId: string, names: readonly string[]) => this.#records.ids(accountId, names)

  /** Of all of these, newest first. */
  buildsOf = (templates: readonly Template[]): Promise<Build[]> => this.#records.builds(templates.map(({ id }) => id))

  async remove(account: Account, idOrName: string): Promise<void> {
    const row = await this.#findOwn(account.id, idOrName)
    for (const { id } of await this.#records.builds([row.id])) await this.#builder.cancel(id)
    await this.uses.catchUp()
    await this.#records.remove(row, this.#now(), (tx) => this.uses.forget(tx, row.account_id, row.name))
  }

  /** Lets more tags stand for what `reference` stands for. */
  async tag(account: Account, reference: string, tags: readonly string[]): Promise<string> {
    const { name, tag } = parseReference(reference)
    for (const one of tags) checkTag(one)
    const row = await this.#findOwn(account.id, name)
    const build = await this.#records.taggedBuild(row.id, tag)
    if (!build) throw new WarrenError('not_found', `template "${name}" has no tag "${tag}"`)
    for (const one of tags)
      await this.#records.tag({ templateId: row.id, tag: one, buildId: build.id, at: this.#now() })
    return build.id
  }

  async untag(account: Account, reference: string, tags: readonly string[]): Promise<void> {
    if (reference.includes(':')) throw new WarrenError('invalid_request', 'the template is named without a tag here')
    if (tags.includes(defaultTag)) throw new WarrenError('invalid_request', `the tag "${defaultTag}" stays`)
    for (const one of tags) checkTag(one)
    const row = await this.#findOwn(account.id, parseReference(reference).name)
    if ((await this.#records.untag(row.id, tags)) === 0)
      throw new WarrenError('not_found', `template "${row.name}" has no such tag`)
  }

  async tags(account: Account, idOrName: string): Promise<{ tag: string; build: string; createdAt: Date }[]> {
    const row = await this.#find(account.id, plainNameOf(idOrName))
    const tags = await this.#records.tags(row.id)
    return tags.map(({ tag, build_id, created_at }) => ({ tag, build: build_id, createdAt: created_at }))
  }

  hasUpload(account: Account, hash: string): Promise<boolean> {
    return this.#uploads.has(account.id, hash)
  }

  receiveUpload(accountId: string, hash: string, content: Readable): Promise<void> {
    return this.#uploads.receive(accountId, hash, content)
  }

  async #imageOf(accountId: string, template: string, signal: AbortSignal): Promise<Image> {
    const wanted = template === preferredBase ? await this.#preferredBase() : template
    const { build } = await this.#usableBuild(accountId, wanted, signal)
    if (!build) return baseImage
    // What is built on top starts what it says itself.
    const { startCommand: _startCommand, ...image } = await this.#engine.images.read(build.id)
    return image
  }

  /** A system that packages can be added to, where there is one or will be soon; else `base`. */
  async #preferredBase(): Promise<string> {
    const row = await this.#records.find('', 'debian')
    const builds = row ? await this.#records.builds([row.id]) : []
    return builds.some(({ state }) => state === 'ready' || state === 'building') ? 'debian' : base.name
  }

  /** Waits for it where it is being made. Without a build it is `base`. */
  async #usableBuild(
    accountId: string,
    reference: string,
    signal: AbortSignal,
  ): Promise<{ name: string; build?: Build }> {
    const { name, tag } = isBuildId(reference) ? { name: reference, tag: defaultTag } : parseReference(reference)
    if (name === base.name && tag === defaultTag) return { name }
    const asked = new Set<string>()
    for (;;) {
      const found = await this.#newestBuild(accountId, { name, tag }, asked)
      const { id, state, reason } = found.build
      if (state === 'ready') return found
      if (state === 'error')
        throw new WarrenError('conflict', `template "${name}" could not be built: ${reason?.message ?? ''}`, {
          details: { build: id },
        })
      await sleep(lookEveryMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }

  /** What a tag stands for, else the newest build that will be it. */
  async #newestBuild(
    accountId: string,
    { name, tag }: { name: string; tag: string },
    asked: Set<string>,
  ): Promise<{ name: string; build: Build }> {
    if (isBuildId(name)) {
      const build = await this.#records.build(name)
      if (build && (build.accountId === accountId || build.accountId === '')) return { name, build }
      throw unknownTemplate(name)
    }
    const row = await this.#find(accountId, name)
    const tagged = await this.#records.taggedBuild(row.id, tag)
    if (tagged) return { name: row.name, build: tagged }
    // A build that failed is told of once; the next who asks has it tried again.
    if (row.account_id === '' && !asked.has(row.id)) await this.#ensureOwn(row)
    asked.add(row.id)
    const begun = (await this.#records.builds([row.id])).find(
      ({ tags, state }) => tags.includes(tag) && state !== 'waiting',
    )
    if (!begun) throw new WarrenError('not_found', `template "${name}" has no build with the tag "${tag}"`)
    return { name: row.name, build: begun }
  }

  async #view(row: TemplateRow, all: readonly Build[]): Promise<Template> {
    const builds = all.filter(({ templateId }) => templateId === row.id)
    const newest = builds[0]
    const state: BuildState = builds.some((build) => build.state === 'ready') ? 'ready' : (newest?.state ?? 'waiting')
    const progress = newest && (this.#builder.progress(newest.id) ?? newest.reason?.message)
    return {
      id: row.id,
      name: row.name,
      description: row.description,
      state,
      tags: (await this.#records.tags(row.id)).map(({ tag }) => tag),
      createdAt: row.created_at.toISOString(),
      updatedAt: row.updated_at.toISOString(),
      ...newest?.limits,
      ...(newest ? { build: newest.id } : {}),
      ...(progress ? { progress } : {}),
    }
  }

  async #own(account: Account, ids: { template: string; build: string }): Promise<{ build: Build }> {
    const row = await this.#find(account.id, plainNameOf(ids.template))
    const build = isBuildId(ids.build) ? await this.#records.build(ids.build) : undefined
    if (build && build.templateId === row.id) return { build }
    throw new WarrenError('not_found', `template "${row.name}" has no build ${ids.build.slice(0, 64)}`)
  }

  async #find(accountId: string, idOrName: string): Promise<TemplateRow> {
    const row = await this.#records.find(accountId, idOrName)
    if (row) return row
    throw unknownTemplate(idOrName)
  }

  async #findOwn(accountId: string, idOrName: string): Promise<TemplateRow> {
    const name = plainNameOf(idOrName)
    if (name === base.name) throw new WarrenError('forbidden', '"base" is a template of the platform')
    const row = await this.#find(accountId, name)
    if (row.account_id === accountId) return row
    throw new WarrenError('forbidden', `"${row.name}" is a template of the platform`)
  }

  async #collect(): Promise<void> {
    if (!this.#builder.isIdle) return
    const { templateStarts: starts } = this.#config
    const parts = { records: this.#records, uses: this.uses, engine: this.#engine, uploads: this.#uploads, starts }
    await collectGarbage(parts, this.#now()).catch((err) => this.#logger.warn({ err }, 'old layers were not removed'))
  }
}
