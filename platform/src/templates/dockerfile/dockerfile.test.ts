import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { WarrenError } from '../../errors.ts'
import { evaluateStage, type StageState } from './evaluate.ts'
import { parseDockerfile } from './parse.ts'
import { planStages } from './plan-stages.ts'

const image: StageState = { env: { PATH: '/usr/bin' }, workdir: '/', user: '', cmd: ['bash'], entrypoint: [] }

/** The last stage, as it comes out on that image. */
function evaluate(
  text: string,
  { base = image, buildArgs = {} }: { base?: StageState; buildArgs?: Record<string, string> } = {},
) {
  const file = parseDockerfile(text)
  return evaluateStage(file, file.stages.at(-1)!, { base, buildArgs })
}

function steps(text: string, buildArgs: Record<string, string> = {}): [string, ...string[]][] {
  return evaluate(text, { buildArgs }).steps.map(({ type, args }) => [type, ...args])
}

test('a usual Dockerfile', () => {
  const found = evaluate(`# syntax=docker/dockerfile:1
FROM python:3.12-slim
ENV PORT=8000 PATH=/opt/app/bin:$PATH
WORKDIR /app
COPY requirements.txt .
RUN pip install \\
      # a comment in the middle

      -r requirements.txt
COPY --chown=user --chmod=755 src/ ./src/
USER user
EXPOSE $PORT 9000/udp
LABEL org.example.title="An app"
CMD ["python", "-m", "app", "it's"]
`)
  const sh = { shell: ['/bin/sh', '-c'] }
  assert.deepEqual(found.steps, [
    { type: 'ENV', args: ['PORT', '8000', 'PATH', '/opt/app/bin:/usr/bin'], line: 3 },
    { type: 'WORKDIR', args: ['/app'], line: 4 },
    { type: 'COPY', args: ['requirements.txt', '.', '0:0', ''], line: 5 },
    { type: 'RUN', args: ['pip install       -r requirements.txt'], line: 6, ...sh },
    { type: 'COPY', args: ['src/', './src/', 'user', '755'], line: 10 },
    { type: 'USER', args: ['user'], line: 11 },
  ])
  assert.deepEqual(found.exposed, ['8000/tcp', '9000/udp'])
  assert.deepEqual(found.labels, { 'org.example.title': 'An app' })
  assert.equal(found.startCommand, `python -m app 'it'\\''s'`)
  assert.deepEqual([found.env.PORT, found.workdir, found.user], ['8000', '/app', 'user'])
})

test('several stages: only those that are needed, each after what it needs', () => {
  const file = parseDockerfile(`ARG VERSION=1.22
FROM golang:\${VERSION} AS Build
RUN go build
FROM node AS unused
RUN npm ci
FROM build AS test
FROM alpine
COPY --from=build /app /app
COPY --from=0 /more /more
COPY --from=ghcr.io/tool/box:1 /tool /bin/
`)
  const planned = (options?: Parameters<typeof planStages>[1]) =>
    planStages(file, options).map(({ stage, base }) => [stage.index, base])
  assert.deepEqual(planned(), [
    [0, { image: 'golang:1.22' }],
    [3, { image: 'alpine' }],
  ])
  assert.deepEqual(planned({ target: 'test', buildArgs: { VERSION: '1.23' } }), [
    [0, { image: 'golang:1.23' }],
    [2, { stage: 0 }],
  ])
  assert.deepEqual(planned({ target: '1' }), [[1, { image: 'node' }]])
  assert.throws(() => planned({ target: 'nothing' }), { message: /no stage "nothing"/ })
  const last = evaluateStage(file, file.stages[3]!, { base: image })
  assert.deepEqual(
    last.steps.map(({ from }) => from),
    [{ stage: 0 }, { stage: 0 }, { image: 'ghcr.io/tool/box:1' }],
  )
})

test('ARG: outside, inside, given, not given, and seen by RUN only', () => {
  const text = `ARG OUTSIDE=o
FROM x
RUN one
ARG INSIDE=i$OUTSIDE
ARG OUTSIDE
ARG NONE
ARG GIVEN=no
ENV FIXED=f
ARG FIXED=lost
RUN two
ENV ALL="$INSIDE$OUTSIDE$NONE$GIVEN$FIXED"
`
  const { steps, env } = evaluate(text, { buildArgs: { GIVEN: 'yes', UNKNOWN: 'x' } })
  assert.deepEqual(
    steps.filter(({ type }) => type === 'RUN').map(({ env }) => env),
    [undefined, { INSIDE: 'i', OUTSIDE: 'o', GIVEN: 'yes' }],
  )
  assert.equal(env.ALL, 'ioyesf')
  assert.equal(env.GIVEN, undefined)
})

test('variables and quotes', () => {
  const values: Record<string, string> = {
    $A: 'a',
    '${A}b': 'ab',
    $AB: '',
    '"$A b"': 'a b',
    "'$A'": '$A',
    '\\$A': '$A',
    '"\\$A"': '$A',
    '"\\n"': '\\n',
    'a\\ b': 'a b',
    '${NO:-d}': 'd',
    '${NO-d}': 'd',
    '${EMPTY:-d}': 'd',
    '${EMPTY-d}': '',
    '${A:+yes}': 'yes',
    '${NO:+yes}': '',
    '${NO:-${A}x}': 'ax',
    '${NO:-"q q"}': 'q q',
    $: '$',
    '100$': '100$',
    '"a"\'b\'c': 'abc',
  }
  for (const [written, meant] of Object.entries(values))
    assert.equal(evaluate(`FROM x\nENV A=a EMPTY=\nENV X=${written}`).env.X, meant, written)
  assert.equal(evaluate('FROM x\nENV OLD several   words  here').env.OLD, 'several   words  here')
  assert.equal(evaluate('FROM x\nENV OLD two words with = in it').env.OLD, 'two words with = in it')
  assert.deepEqual(steps('FROM x\nENV A=1\nENV A=2 B=$A'), [
    ['ENV', 'A', '1'],
    ['ENV', 'A', '2', 'B', '1'],
  ])
})

test('shells, words for no shell, and here-documents', () => {
  const found = evaluate(`FROM x
RUN ["echo", "$HOME", "a b"]
SHELL ["/bin/bash", "-euc"]
RUN echo $HOME
RUN <<EOF
apt-get update
  # not a comment
EOF
RUN cat <<-"A B" > /a && cat <<C > /b
	text of a \\
	A B
text of b
C
RUN <<END
#!/usr/bin/env python3
print(1)
END
CMD serve $PORT
`)
  assert.deepEqual(
    found.steps.map(({ args, shell }) => [args[0], shell?.[0]]),
    [
      [`echo '$HOME' 'a b'`, '/bin/sh'],
      ['echo $HOME', '/bin/bash'],
      ['apt-get update\n  # not a comment\n', '/bin/bash'],
      ['cat <<-"A B" > /a && cat <<C > /b\n\ttext of a \\\nA B\ntext of b\nC\n', '/bin/bash'],
      [
        `f=$(mktemp) && cat >"$f" <<'END_OF_SCRIPT' && chmod +x "$f" && "$f" && rm -f "$f"\n#!/usr/bin/env python3\nprint(1)\nEND_OF_SCRIPT\n`,
        '/bin/bash',
      ],
    ],
  )
  assert.equal(found.startCommand, `/bin/bash -euc 'serve $PORT'`)
})

test('what is started: of the image only together with what the file says', () => {
  const node: StageState = { ...image, entrypoint: ['entry.sh'], cmd: ['node'] }
  const started = (text: string, base = node) => evaluate(`FROM x\n${text}`, { base }).startCommand
  assert.equal(started('RUN true'), undefined)
  assert.equal(started('CMD ["a"]'), 'entry.sh a')
  assert.equal(started('ENTRYPOINT ["b"]'), 'b')
  assert.equal(started('CMD ["a"]\nENTRYPOINT ["b", "c d"]'), "b 'c d' a")
  assert.equal(started('ENTRYPOINT b $X\nCMD ["a"]'), "/bin/sh -c 'b $X'")
  assert.equal(started('ENTRYPOINT []\nCMD ["a"]'), 'a')
  assert.equal(started('RUN true', { ...node, startCommand: 'from an earlier stage' }), 'from an earlier stage')
})

test('another escape letter, lines of Windows, a byte order mark, and no line at the end', () => {
  assert.deepEqual(steps('\ufeff# escape=`\r\nFROM x\r\nRUN a `\r\n  b\r\nWORKDIR C:\\d\r\n'), [
    ['RUN', 'a   b'],
    ['WORKDIR', '/C:\\d'],
  ])
  assert.deepEqual(steps('from x\nrun a \\'), [['RUN', 'a']])
  assert.deepEqual(steps('FROM x\nWORKDIR /a\nWORKDIR b\nWORKDIR "c d"'), [
    ['WORKDIR', '/a'],
    ['WORKDIR', '/a/b'],
    ['WORKDIR', '/a/b/c d'],
  ])
})

test('what does nothing here is noted', () => {
  const { notes } = parseDockerfile('FROM x\nVOLUME /data\nHEALTHCHECK CMD true\nSTOPSIGNAL TERM\nMAINTAINER me')
  assert.deepEqual(
    notes.map(({ line }) => line),
    [2, 3, 4, 5],
  )
})

test('what is wrong or not supported is refused with its line', () => {
  const wrong: [string, RegExp][] = [
    ['', /has no FROM/],
    ['RUN a', /line 1: RUN stands before the first FROM/],
    ['FROM', /line 1: FROM needs an image/],
    ['FROM a b', /line 1: FROM must be/],
    ['FROM a AS 1x', /no name of a stage/],
    ['FROM a AS b\nFROM c AS B', /line 2: two stages are named b/],
    ['FROM $NONE', /names no image/],
    ['FROM --platform=linux/s390x a', /does not run here/],
    ['FROM a\n\n# c\nFETCH b', /line 4: there is no instruction "FETCH"/],
    ['FROM a\nRUN --mount=type=cache,target=/x b', /line 2: RUN --mount is not supported/],
    ['FROM a\nRUN --network=none b', /RUN --network is not supported/],
    ['FROM a\nRUN', /needs something/],
    ['FROM a\nRUN []', /needs a command/],
    ['FROM a\nRUN <<EOF\nx', /line 2: the text of <<EOF does not end/],
    ['FROM a\nCOPY a', /needs a source and a target/],
    ['FROM a\nCOPY a b c', /target that ends in "\/"/],
    ['FROM a\nCOPY --parents a b', /COPY --parents needs a value|not supported/],
    ['FROM a\nCOPY --exclude=x a b', /--exclude is not supported/],
    ['FROM a\nCOPY --chmod=u+x a b', /must be octal/],
    ['FROM a\nCOPY <<E /x\ny\nE', /here-document is not supported/],
    ['FROM a AS s\nCOPY --from=s /x /y', /not a stage before this one/],
    ['FROM a\nCOPY --from=7 /x /y', /there is no stage 7/],
    ['FROM a\nADD https://example.com/x /x', /ADD does not download/],
    ['FROM a\nADD git@example.com:x /x', /ADD does not download/],
    ['FROM a\nADD x.tar.gz /x', /ADD does not unpack/],
    ['FROM a\nADD --checksum=sha256:1 x /x', /--checksum is not supported/],
    ['FROM a\nENV A=1 B', /must be NAME=VALUE/],
    ['FROM a\nENV 1A=1', /no name for ENV/],
    ['FROM a\nENV A="x', /" without its end/],
    ['FROM a\nENV A=${B', /no } at its end|operator/],
    [`FROM a\nENV A=\${B:?missing}`, /needs a value for B: missing/],
    [`FROM a\nENV A=\${B#x}`, /not supported/],
    ['FROM a\nUSER a:b', /line 2: USER takes/],
    ['FROM a\nEXPOSE 70000', /is no port/],
    ['FROM a\nSHELL bash', /words in JSON/],
    ['FROM a\nONBUILD RUN x', /ONBUILD is not supported/],
    ['# escape=x\nFROM a', /escape must be/],
    ['FROM a\0', /is no text/],
  ]
  for (const [text, says] of wrong)
    assert.throws(
      () => {
        const file = parseDockerfile(text)
        for (const { stage } of planStages(file)) evaluateStage(file, stage, { base: image })
      },
      (error) => error instanceof WarrenError && error.code === 'invalid_request' && says.test(error.message),
      text,
    )
})

test('variables do not grow without bounds', () => {
  const doubling = `FROM a\nENV A=${'x'.repeat(100)}\n${'ENV A=$A$A\n'.repeat(40)}`
  assert.throws(() => evaluate(doubling), { message: /longer than/ })
  const many = `FROM a\nENV A=${'x'.repeat(100_000)}\n${Array.from({ length: 200 }, (_, i) => `ENV B${i}=$A\n`).join('')}`
  assert.throws(() => evaluate(many), { message: /variables make more than/ })
  assert.throws(() => evaluate(`FROM a\nENV A=${'${B:-'.repeat(100)}${'}'.repeat(100)}`), { message: /deep/ })
})

test('any text is read or refused with a sentence', () => {
  const words = [
    'FROM ',
    'RUN ',
    'COPY ',
    'ENV ',
    'ARG ',
    'USER ',
    'SHELL ',
    'CMD ',
    'LABEL ',
    '--from=',
    '<<EOF',
    '\nEOF\n',
  ]
  const signs = [
    '\\\n',
    '${',
    '}',
    '$A',
    '"',
    "'",
    '[',
    ']',
    '#',
    '=',
    ':-',
    ' ',
    '\n',
    '\t',
    'a',
    'b/',
    'é',
    '`',
    '\\',
  ]
  const pieces = [...words, ...signs]
  for (let round = 0; round < 5000; round++) {
    const text = `FROM x\n${Array.from({ length: randomInt(1, 25) }, () => pieces[randomInt(pieces.length)]).join('')}`
    try {
      const file = parseDockerfile(text)
      for (const { stage } of planStages(file)) evaluateStage(file, stage, { base: image })
    } catch (error) {
      assert.ok(error instanceof WarrenError, `${JSON.stringify(text)}: ${error}`)
    }
  }
})

test('long texts come to an end', () => {
  const long = [
    `FROM a\nRUN ${'a \\\n'.repeat(200_000)}b`,
    `# a=${'x'.repeat(500_000)}${' '.repeat(500_000)}x\nFROM a`,
    `FROM a\nRUN ${' '.repeat(1_000_000)}`,
    `FROM a\nENV A=${'$'.repeat(100_000)}`,
    `FROM a\nRUN ${'\\ '.repeat(400_000)}`,
  ]
  for (const text of long) {
    try {
      evaluate(text)
    } catch (error) {
      assert.ok(error instanceof WarrenError)
    }
  }
})
