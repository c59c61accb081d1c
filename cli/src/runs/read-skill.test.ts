import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { agentArgument } from './agent-argument.ts'
import { parseSkill } from './read-skill.ts'

test('the head of a skill is read with quotes, folded lines and Windows line ends', () => {
  const { head, instructions } = parseSkill(
    '---\r\nname: "pdf"\r\ndescription: >\r\n  For PDF\r\n  files.\r\n---\r\n# Do it\r\n',
  )
  assert.deepEqual([head, instructions], [{ name: 'pdf', description: 'For PDF files.' }, '# Do it'])
  assert.throws(() => parseSkill('# No head'), /must begin with a head/)
})

test('a file of an agent may name folders of skills, which are read beside it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'warren-skill-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const skill = join(folder, 'skills/pdf')
  mkdirSync(join(skill, 'scripts'), { recursive: true })
  writeFileSync(join(skill, 'SKILL.md'), '---\ndescription: For PDFs.\n---\nRead it.')
  writeFileSync(join(skill, 'scripts/read.sh'), '#!/bin/sh\necho read')
  const file = join(folder, 'agent.json')
  writeFileSync(file, JSON.stringify({ name: 'a', skills: ['skills/pdf'] }))
  const files = { 'scripts/read.sh': '#!/bin/sh\necho read' }
  const skills = [{ name: 'pdf', description: 'For PDFs.', instructions: 'Read it.', files }]
  assert.deepEqual(agentArgument(file), { name: 'a', skills })
  writeFileSync(join(skill, 'scripts/read.sh'), Buffer.from([0xff, 0xfe]))
  assert.throws(() => agentArgument(file), /read\.sh is no text/)
  writeFileSync(join(skill, 'SKILL.md'), '---\nname: pdf\n---\nRead it.')
  assert.throws(() => agentArgument(file), /no description/)
})
