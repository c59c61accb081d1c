import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { adminKey } from './accounts/admin-key.ts'
import { authenticateAdmin } from './accounts/authenticate.ts'
import { readConfig } from './config.ts'
import { openEngine } from './engine/open-engine.ts'
import { WarrenError } from './errors.ts'
import { buildServer } from './http/server.ts'
import { createSandboxes } from './sandboxes/sandboxes.ts'
import { openDatabase } from './storage/database.ts'
import { createLogger } from './telemetry/logger.ts'
import { createTemplates } from './templates/templates.ts'
import { greet } from './welcome.ts'

const guestBinary = fileURLToPath(new URL('../../guest/target/release/warren-guest', import.meta.url))

try {
  await start()
} catch (error) {
  const known = error instanceof WarrenError
  process.stderr.write(`warren: ${known ? error.message : ((error as Error).stack ?? error)}\n`)
  if (known && error.hint) process.stderr.write(`        ${error.hint}\n`)
  process.exit(1)
}

/** Wires the platform, starts it and tells the operator. Returns when it serves; a signal ends it. */
async function start(): Promise<void> {
  const config = readConfig()
  const logger = createLogger(config.logLevel)
  await mkdir(config.home, { recursive: true, mode: 0o700 })
  const key = await adminKey(config.home)
  const account = { id: 'org0', name: 'operator', maxSandboxes: config.maxSandboxes }

  const [db, engine] = await Promise.all([
    openDatabase({ home: config.home, databaseUrl: config.databaseUrl, logger }),
    openEngine({ ...config, guestBinary, parallelStarts: config.parallelCreates, log: logger }),
  ])
  const templates = createTemplates()
  const sandboxes = createSandboxes({ db, engine, templates, config, now: () => new Date(), logger })
  await sandboxes.recover()
  const server = await buildServer({
    config,
    engine,
    sandboxes,
    templates,
    authenticate: authenticateAdmin(key, account),
    logger,
  })
  const address = await server.listen({ host: config.host, port: config.port })

  let stopping = false
  const stop = async (signal: string) => {
    if (stopping) process.exit(1)
    stopping = true
    process.stderr.write(`warren: ${signal}, stopping; sandboxes live on and are taken up at the next start\n`)
    await server.close()
    await sandboxes.close()
    await engine.close()
    await db.close()
    process.exit(0)
  }
  process.on('SIGINT', () => void stop('SIGINT'))
  process.on('SIGTERM', () => void stop('SIGTERM'))

  await greet({
    engine,
    sandboxes,
    account,
    address,
    home: config.home,
    print: (line) => process.stdout.write(`${line}\n`),
  })
}
