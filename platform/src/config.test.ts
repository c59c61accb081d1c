import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig, settings } from './config.ts'

test('readConfig() takes the defaults where nothing or an empty text is set', () => {
  const config = readConfig({ WARREN_PORT: '' })
  assert.equal(config.port, 7070)
  assert.equal(config.host, '127.0.0.1')
  assert.equal(config.databaseUrl, undefined)
})

test('readConfig() reads every setting from its variable', () => {
  const config = readConfig({
    WARREN_HOME: 'relative/home',
    WARREN_PORT: '0',
    WARREN_ISOLATION: 'container',
    WARREN_DEFAULT_CPU: '0.5',
    WARREN_DEFAULT_OPEN_FILES: '100',
    DATABASE_URL: 'postgres://x',
  })
  assert.equal(config.home, `${process.cwd()}/relative/home`)
  assert.equal(config.port, 0)
  assert.equal(config.isolation, 'container')
  assert.equal(config.defaultLimits.cpuCores, 0.5)
  assert.equal(config.defaultLimits.maxOpenFiles, 100)
  assert.equal(config.databaseUrl, 'postgres://x')
})

test('readConfig() names the variable, the rule and the value that breaks it', () => {
  const broken = {
    WARREN_PORT: '70000',
    WARREN_POOL_SIZE: '1.5',
    WARREN_ISOLATION: 'vm',
    WARREN_DOMAIN: 'localhost:7070',
    WARREN_DEFAULT_MEMORY_MB: 'lots',
  }
  for (const [name, value] of Object.entries(broken)) {
    assert.throws(
      () => readConfig({ [name]: value }),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'invalid_request')
        assert.ok(error.message.startsWith(name) && error.message.includes(`"${value}"`), error.message)
        return true
      },
    )
  }
})

test('every setting has a variable of its own and a sentence that explains it', () => {
  const rows = Object.values(settings)
  assert.equal(new Set(rows.map((row) => row.env)).size, rows.length)
  for (const row of rows) assert.match(row.meaning, /^[A-Z].*\.$/)
})
