import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accountsChinese } from './accounts-chinese.ts'
import { accountsEnglish } from './accounts-english.ts'
import { agentsChinese } from './agents-chinese.ts'
import { agentsEnglish } from './agents-english.ts'
import { bucketsInChinese } from './buckets-chinese.ts'
import { bucketsInEnglish } from './buckets-english.ts'
import { chinese } from './chinese.ts'
import { english } from './english.ts'
import { functionsInChinese } from './functions-chinese.ts'
import { functionsInEnglish } from './functions-english.ts'
import { operatorChinese } from './operator-chinese.ts'
import { operatorEnglish } from './operator-english.ts'

test('no part of the messages takes the place of what another one says', () => {
  for (const [whole, parts] of [
    [english, [accountsEnglish, agentsEnglish, bucketsInEnglish, functionsInEnglish, operatorEnglish]],
    [chinese, [accountsChinese, agentsChinese, bucketsInChinese, functionsInChinese, operatorChinese]],
  ] as const)
    for (const part of parts)
      for (const [name, said] of Object.entries(part))
        assert.equal((whole as Record<string, unknown>)[name], said, name)
})
