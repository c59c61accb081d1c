import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { forbiddingSwitches } from './kernel-switches.ts'

async function withSysctls(values: Record<string, string>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-sysctls-'))
  try {
    for (const [path, value] of Object.entries(values)) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), `${value}\n`)
    }
    return await forbiddingSwitches(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('says nothing where no setting forbids namespaces', async () => {
  assert.equal(await withSysctls({}), '')
  assert.equal(
    await withSysctls({
      'kernel/unprivileged_userns_clone': '1',
      'kernel/apparmor_restrict_unprivileged_userns': '0',
      'user/max_user_namespaces': '96365',
    }),
    '',
  )
})

test('names the setting that forbids them and how to change it', async () => {
  for (const [path, value, change] of [
    ['kernel/unprivileged_userns_clone', '0', 'kernel.unprivileged_userns_clone=1'],
    ['kernel/apparmor_restrict_unprivileged_userns', '1', 'kernel.apparmor_restrict_unprivileged_userns=0'],
    ['user/max_user_namespaces', '0', 'user.max_user_namespaces=10000'],
  ] as const) {
    const sentence = await withSysctls({ [path]: value })
    assert.match(sentence, new RegExp(`^the kernel setting ${path.replace('/', '.')} is ${value}, .*`))
    assert.ok(sentence.includes(`sudo sysctl -w ${change} `), sentence)
  }
})

test('names all of several', async () => {
  const sentence = await withSysctls({ 'user/max_user_namespaces': '0', 'user/max_net_namespaces': '0' })
  assert.match(sentence, /user\.max_user_namespaces is 0 and user\.max_net_namespaces is 0/)
  assert.match(sentence, /sysctl -w user\.max_user_namespaces=10000 user\.max_net_namespaces=10000/)
})
