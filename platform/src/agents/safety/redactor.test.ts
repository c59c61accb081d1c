import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Redactor } from './redactor.ts'

const redactor = new Redactor([])

test('what is named like a secret is taken out of a result, and nothing beside it', () => {
  const cases: [string, string][] = [
    ['AWS_SECRET_ACCESS_KEY=abc', 'AWS_SECRET_ACCESS_KEY=[redacted]'],
    ['a\nexport github_token=abc def\nb', 'a\nexport github_token=[redacted]\nb'],
    ['MY_APIKEY_2=x', 'MY_APIKEY_2=[redacted]'],
    ['PASSWORD=', 'PASSWORD='],
    ['PASSWORD= x', 'PASSWORD= x'],
    ['PASSWORD=\nx', 'PASSWORD=\nx'],
    ['say TOKEN=x', 'say TOKEN=x'],
    ['HOME=/root\r\nTOKEN=x\r\n', 'HOME=/root\r\nTOKEN=[redacted]\r\n'],
    ['TOKEN-1=x', 'TOKEN-1=x'],
    [`{"password" : 'hunter2'}`, `{"password" : '[redacted]'}`],
    ['{"password": "abc"}', '{"password": "abc"}'],
    ['{"accessToken":"abcdef"}', '{"accessToken":"[redacted]"}'],
    [
      `environ({'HOME': '/root', 'GITHUB_TOKEN': 'abcdef'})`,
      `environ({'HOME': '/root', 'GITHUB_TOKEN': '[redacted]'})`,
    ],
    [`{ AWS_SECRET_ACCESS_KEY: 'abc def', A: 1 }`, `{ AWS_SECRET_ACCESS_KEY: '[redacted]', A: 1 }`],
    ['declare -x DB_PASSWORD_2="abcdef"', 'declare -x DB_PASSWORD_2="[redacted]"'],
    ['MAX_TOKENS: "4096"', 'MAX_TOKENS: "4096"'],
    [`token: 'left' | 'right'`, `token: 'left' | 'right'`],
    ['DATABASE_URL=postgres://ann:s3cr3t@db/x', 'DATABASE_URL=postgres://ann:[redacted]@db/x'],
    ['redis://:s3cr3t@h, https://a:80/b@c', 'redis://:[redacted]@h, https://a:80/b@c'],
    ['> Authorization: Basic YW5uOnMzY3IzdA==', '> Authorization: Basic [redacted]'],
    ['Basic understanding of authorization: basic ideas', 'Basic understanding of authorization: basic ideas'],
  ]
  for (const [text, clean] of cases) assert.equal(redactor.result(text), clean)
})

test('what looks like a key is taken out of any text', () => {
  const token = `eyJ${'a'.repeat(20)}.${'b'.repeat(9)}.c-_`
  const cases: [string, string][] = [
    [`a ${token}, b`, 'a [redacted], b'],
    [`x-${token}`, 'x-[redacted]'],
    [`a.${token}`, 'a.[redacted]'],
    [`${token}.${token}`, '[redacted].[redacted]'],
    [`eyJ${'a'.repeat(20)}.b`, `eyJ${'a'.repeat(20)}.b`],
    [`x${token}`, `x${token}`],
    ['eyJshort.b.c', 'eyJshort.b.c'],
    ['Bearer abcdef.ghi', '[redacted]'],
    [`glpat-${'a'.repeat(20)} npm_${'b'.repeat(36)}`, '[redacted] [redacted]'],
    ['-----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK-----y', '[redacted]y'],
  ]
  for (const [text, clean] of cases) assert.equal(redactor.text(text), clean)
})

test('a text that is made to send a regular expression back and forth comes to an end', () => {
  // So long that what is quadratic takes hours.
  const slow = [
    'TOKEN',
    'export ',
    '"password" ',
    'eyJaaaaaaaaaaa-',
    '-----BEGIN ',
    'Bearer ,',
    '\n',
    '-----END A',
    '://a:',
    'TOKEN_',
    'authorization: ',
  ]
  for (const part of slow) {
    const text = part.repeat(4_000_000 / part.length)
    assert.equal(redactor.result(text).length, text.length, part)
  }
})

test('what is clean stays as it is, with its JSON; what is not is written without its secrets, whatever JSON makes of them', () => {
  const careful = new Redactor(['short', 'a "quoted"\nkey', 'plain-secret'])
  const harmless = { text: 'short', list: [1, 'two'] }
  const { value, json } = careful.cleaned(harmless)
  assert.deepEqual([value === harmless, json], [true, JSON.stringify(harmless)])
  const told = { text: 'it is a "quoted"\nkey', more: ['plain-secret', '\0\ud800'], signature: 'plain-secret' }
  const cleaned = careful.cleaned(told)
  const wanted = { text: 'it is [redacted]', more: ['[redacted]', '\uFFFD\uFFFD'], signature: 'plain-secret' }
  assert.deepEqual([cleaned.value, cleaned.json], [wanted, JSON.stringify(wanted)])
  careful.know(['learned-later'])
  assert.equal(careful.cleaned('learned-later').json, '"[redacted]"')
})
