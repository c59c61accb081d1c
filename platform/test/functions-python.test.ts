import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { type Answer, startPlatform, until } from './platform.ts'

const platform = await startPlatform({ WARREN_FUNCTION_POOL: '1' })

async function deploy(
  name: string,
  runtime: string,
  sources: Record<string, string>,
  settings: object = {},
): Promise<Answer> {
  const files = Object.fromEntries(
    Object.entries(sources).map(([path, text]) => [path, Buffer.from(text).toString('base64')]),
  )
  return platform.json('PUT', `/v1/functions/${name}`, { runtime, files, settings })
}

const invoke = (name: string, event: unknown) =>
  platform.call('POST', `/v1/functions/${name}/invoke`, JSON.stringify(event))

test('a Lambda handler of Python runs as it is, with its own modules and context', async () => {
  await deploy(
    'py',
    'python3',
    {
      'lambda_function.py': `import os
from tools.words import greet
def lambda_handler(event, context):
    print("called", context.function_name)
    return {"text": greet(event["name"]), "left": context.get_remaining_time_in_millis() > 0, "id": len(context.aws_request_id), "env": os.environ["MODE"]}
`,
      'tools/words.py': 'def greet(name):\n    return f"hello {name}"\n',
    },
    { env: { MODE: 'test' } },
  )
  const reply = await invoke('py', { name: 'Ada' })
  assert.deepEqual(await reply.json(), { text: 'hello Ada', left: true, id: 21, env: 'test' })
  const { invocations } = await until('it is recorded', async () => {
    const found = await platform.json('GET', '/v1/functions/py/invocations')
    return found.invocations.length > 0 && found
  })
  assert.equal(invocations[0].log, 'called py\n')
  assert.equal(invocations[0].cold, true)
})

test('Python that fails says why; generators are streamed; several calls at once share an instance', async () => {
  await deploy(
    'faults',
    'python3',
    {
      'main.py': `import os, time, asyncio
def handler(event, context):
    how = event["how"]
    if how == "throw": return {}["missing"]
    if how == "exit": os._exit(4)
    if how == "hang": time.sleep(60)
    if how == "stream": return (f"piece {i}\\n" for i in range(3))
    if how == "async":
        async def later():
            await asyncio.sleep(0.01)
            return "later"
        return later()
    return "fine"
`,
    },
    { timeoutSeconds: 2 },
  )
  const failure = async (how: string) => {
    const reply = await invoke('faults', { how })
    const { details } = await reply.json()
    assert.equal(await (await invoke('faults', { how: 'fine' })).json(), 'fine')
    return [reply.status, details.reason, details.type]
  }
  assert.deepEqual(await failure('throw'), [502, 'error', 'KeyError'])
  assert.deepEqual(await failure('exit'), [502, 'exited', undefined])
  assert.deepEqual(await failure('hang'), [504, 'timeout', undefined])
  assert.equal(await (await invoke('faults', { how: 'stream' })).text(), 'piece 0\npiece 1\npiece 2\n')
  assert.equal(await (await invoke('faults', { how: 'async' })).json(), 'later')
  await deploy(
    'many',
    'python3',
    {
      'main.py': 'import time, os\ndef handler(event, context):\n    time.sleep(0.2)\n    return os.getpid()\n',
    },
    { concurrency: 8, maxInstances: 1 },
  )
  const pids = await Promise.all(Array.from({ length: 8 }, async () => (await invoke('many', {})).json()))
  assert.equal(new Set(pids).size, 1)
})

test('an executable that speaks the Lambda Runtime API answers calls', async () => {
  await deploy('own', 'custom', {
    bootstrap: `#!/usr/bin/python3
import json, os, urllib.request
api = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(api + "next") as call:
        id = call.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(call)
    if event.get("fail"):
        body, verb = json.dumps({"errorMessage": "as asked", "errorType": "Asked"}), "error"
    else:
        body, verb = json.dumps({"got": event, "id": id}), "response"
    request = urllib.request.Request(api + id + "/" + verb, body.encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request).read()
`,
  })
  const answer = await (await invoke('own', { a: 1 })).json()
  assert.deepEqual(answer.got, { a: 1 })
  const failed = await (await invoke('own', { fail: true })).json()
  assert.deepEqual(
    [failed.code, failed.details.type, failed.message],
    ['function_failed', 'Asked', 'the function threw Asked: as asked'],
  )
})

test('what Python cannot load is refused', async () => {
  const refused = async (source: string) => {
    const files = { 'main.py': Buffer.from(source).toString('base64') }
    return (await platform.call('PUT', '/v1/functions/bad', { runtime: 'python3', files })).json()
  }
  assert.match((await refused('def handler(:\n')).message, /invalid syntax/)
  assert.equal((await refused('x = 1\n')).details.reason, 'missing_handler')
  assert.match((await refused('import nothing_of_that_name\n')).message, /nothing_of_that_name/)
})

const noNumpy =
  spawnSync('/usr/bin/python3', ['-c', 'import numpy']).status !== 0 && 'this host has no numpy for /usr/bin/python3'

test('modules that a function wants are there before its code, in its own workers only', {
  skip: noNumpy,
}, async () => {
  const main = `import sys
had = 'numpy' in sys.modules
def handler(event, context):
    if not had: return 'not there'
    import numpy
    return float(numpy.arange(event['n']).sum())
`
  await deploy('sums', 'python3', { 'main.py': main }, { preload: ['numpy', 'json'] })
  await deploy('bare', 'python3', { 'main.py': main })
  assert.equal(await (await invoke('sums', { n: 5 })).json(), 10)
  assert.equal(await (await invoke('bare', { n: 5 })).json(), 'not there')
  await platform.kill('SIGKILL')
  await platform.start()
  assert.equal(await (await invoke('sums', { n: 4 })).json(), 6)
  const refusal = async (runtime: string, preload: string[]) => {
    const files = { 'main.py': Buffer.from(main).toString('base64') }
    const reply = await platform.call('PUT', '/v1/functions/refused', { runtime, files, settings: { preload } })
    const { message } = await reply.json()
    assert.equal((await platform.call('GET', '/v1/functions/refused')).status, 404)
    return [reply.status, message]
  }
  assert.deepEqual(await refusal('python3', ['ready']), [400, 'cannot preload "ready": No module named \'ready\''])
  assert.equal((await refusal('python3', ['os; print']))[0], 400)
  assert.deepEqual(await refusal('node24', ['json']), [
    400,
    'preload names modules of Python, and the runtime is node24',
  ])
})

test('a program that speaks nonsense to the platform harms itself alone', async () => {
  const pid = platform.pid
  await deploy('liar', 'python3', {
    'main.py': `import __main__
def handler(event, context):
    for kind in (18, 19, 20, 18):
        for text in ('null', '[]', '7', '{"number":{"valueOf":1,"toString":1}}', '{"number":1,"name":{"toString":1}}', '{'):
            __main__.send(kind, context._call['id'], text)
    return 'told'
`,
  })
  await invoke('liar', {})
  await deploy('honest', 'python3', { 'main.py': 'def handler(event, context):\n    return event\n' })
  assert.deepEqual(await (await invoke('honest', { n: 1 })).json(), { n: 1 })
  assert.equal(platform.pid, pid)
  assert.equal(platform.process.exitCode, null)
})

test('a worker has imported nothing that its handler does not use, and what it uses is there when it does', async () => {
  const source = `import sys
async def later():
    return "late"
async def pieces():
    yield "a"
    yield "b"
def handler(event, context):
    how = event["how"]
    if how == "modules": return [name for name in ("asyncio", "datetime", "traceback", "urllib.parse") if name in sys.modules]
    if how == "later": return later()
    if how == "pieces": return pieces()
    import datetime
    return datetime.date(2026, 1, 2)
`
  await deploy('lean', 'python3', { 'main.py': source })
  const answered = async (how: string) => (await invoke('lean', { how })).text()
  assert.equal(await answered('modules'), '[]')
  assert.equal(await answered('later'), '"late"')
  assert.equal(await answered('pieces'), 'ab')
  assert.equal(await answered('date'), '"2026-01-02"')
})
