// Calls that a function makes of others: between wire.cjs and node.cjs, inside a sandbox.
const { AsyncLocalStorage } = require('node:async_hooks')

/** Whether the code that runs is the work of a step. */
const inStep = new AsyncLocalStorage()
/** Those that wait to hear what their call came to, by its number. */
const callers = new Map()
let lastCall = 0
/** What kept the process going when it last had no call. */
let quietResources

/** A call of another function that failed for good. */
class CallFailed extends Error {
  constructor(name, id, { reason, message, type }) {
    super(`the call of "${name}" failed: ${message}`)
    this.name = 'CallFailed'
    Object.assign(this, { reason, type, invocation: id })
  }
}

/** What is under way in this process, by its kind. */
function activeResources() {
  const counts = {}
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

/** What a call needs to make others. `alone`: it is the only one of its instance. */
function callingOf({ id, head }, alone) {
  if (head.suspendAfterMs !== undefined && alone) quietResources = activeResources()
  return {
    id,
    afterMs: head.suspendAfterMs,
    waits: new Set(),
    counts: new Map(),
    steps: 0,
    timer: undefined,
  }
}

function invokeOther(calling, name, payload, { version, key } = {}) {
  if (inStep.getStore())
    return Promise.reject(new Error('a call of a function is kept by itself: make it outside of steps'))
  const asText = String(name)
  const count = (calling.counts.get(asText) ?? 0) + 1
  calling.counts.set(asText, count)
  const number = ++lastCall
  const asked = {
    number,
    // The name of a function has no colon, so the two kinds never meet.
    key: key === undefined ? `${asText} ${count}` : `:${key}`,
    function: asText,
    version: version === undefined ? undefined : String(version),
    payload: JSON.stringify(payload === undefined ? null : payload),
  }
  return new Promise((resolve, reject) => {
    callers.set(number, { calling, name: asText, resolve, reject })
    calling.waits.add(number)
    send(kind.call, calling.id, JSON.stringify(asked))
    suspendLater(calling)
  })
}

/** Waits for all of them, and only then throws what the first one failed with. */
async function invokeAll(calling, calls) {
  const settled = await settleAll(calling, calls)
  const failed = settled.find(({ status }) => status === 'rejected')
  if (failed) throw failed.reason
  return settled.map(({ value }) => value)
}

function settleAll(calling, calls) {
  return Promise.allSettled(
    [...calls].map(({ function: name, payload, version, key }) =>
      invokeOther(calling, name, payload, { version, key }),
    ),
  )
}

/** What a call came to. */
function heard(number, payload) {
  const caller = callers.get(number)
  if (!caller) return
  callers.delete(number)
  caller.calling.waits.delete(number)
  const { head, body } = headed(payload)
  if (head.failure) caller.reject(new CallFailed(caller.name, head.id, head.failure))
  else caller.resolve(readResult(body))
}

function readResult(body) {
  const text = body.toString('utf8')
  try {
    return text === '' ? null : JSON.parse(text)
  } catch {
    return text
  }
}

/** A call that only waits for others leaves its instance: the platform makes it again when they have ended. */
function suspendLater(calling) {
  if (calling.afterMs === undefined) return
  clearTimeout(calling.timer)
  calling.timer = setTimeout(() => {
    if (calling.waits.size === 0) return
    if (!isIdle()) return suspendLater(calling)
    for (const number of calling.waits) callers.delete(number)
    calls.delete(calling.id)
    send(kind.suspend, calling.id)
  }, calling.afterMs).unref()
}

/**
 * Whether every call of this instance only waits, and nothing was begun beside them: it would go on, and be begun again. What is
 * under way cannot be told apart by calls, so one that works keeps those that wait here too.
 */
function isIdle() {
  for (const { calling } of calls.values()) if (calling.waits.size === 0 || calling.steps > 0) return false
  return Object.entries(activeResources()).every(([type, count]) => count <= (quietResources[type] ?? 0))
}

module.exports = { invokeOther, invokeAll, settleAll, heard, callingOf, quietResources }
