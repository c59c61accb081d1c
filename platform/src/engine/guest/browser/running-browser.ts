import { text } from 'node:stream/consumers'
import { WarrenError } from '../../../errors.ts'
import type { GuestClient, GuestProcessInfo } from '../client.ts'
import type { GuestProcess } from '../process.ts'
import { DevTools } from './devtools.ts'

/** By this label the process is found again, by whoever looks for it. */
export const browserTag = 'warren.browser'

/** Where the profile lies, below the home of the sandbox's user. */
export const profileFolder = '.warren-browser'

const sigkill = 9
const startMs = 60_000
const connectMs = 10_000
/** Of what it says before it is there, kept for whoever wants to know why it is not. */
const keptWords = 2000

/**
 * Chromium keeps its own sandbox out of it: the one around it is ours, and within that there is no right to make another.
 * What is left out of it are services that nobody here asks for, and that would go to the network by themselves.
 */
const options = [
  ...['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run'],
  ...['--remote-debugging-port=0', '--window-size=1280,900', '--hide-scrollbars', '--mute-audio'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-breakpad'],
  ...['--disable-default-apps', '--disable-extensions', '--password-store=basic', '--no-pings'],
  ...['--disable-search-engine-choice-screen', '--noerrdialogs', '--disable-backgrounding-occluded-windows'],
  ...['--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,HttpsUpgrades'],
]

/**
 * Names of the lock of a profile say a host and a process, which after a fork or a restore are of somewhere else; the port is that
 * of the one before.
 */
const program = `profile="$HOME/${profileFolder}"
mkdir -p "$profile" && rm -f "$profile"/Singleton* "$profile/DevToolsActivePort"
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then exec "$name" --user-data-dir="$profile" "$@" about:blank; fi
done
exit 127`

const starting = new WeakMap<GuestClient, Promise<void>>()

/**
 * A connection to the browser of a sandbox, which is started where none runs. Nothing about it is kept here: its label, and the file
 * in its profile that says its port, are all that leads to it, so that another process of ours, or a copy of the sandbox, finds it too.
 */
export async function reachBrowser(guest: GuestClient, signal: AbortSignal): Promise<DevTools> {
  const running = await findBrowser(guest)
  if (running) {
    const found = await connect(guest, signal).catch((error) => orHopeless(error, signal))
    if (found) return found
  }
  const begun = starting.get(guest) ?? restart(guest).finally(() => starting.delete(guest))
  starting.set(guest, begun)
  await begun
  return connect(guest, signal)
}

/** A connection to it; undefined where none runs, or none that answers. */
export async function reachRunning(guest: GuestClient, signal: AbortSignal): Promise<DevTools | undefined> {
  if (!(await findBrowser(guest))) return undefined
  return connect(guest, signal).catch(() => undefined)
}

/** Ends it, whatever state it is in. */
export async function endBrowser(guest: GuestClient): Promise<void> {
  for (let running = await findBrowser(guest); running; running = await findBrowser(guest)) {
    const process = await guest.attach(running.id, { fromEnd: true })
    await guest.signal(running.id, sigkill).catch(() => {})
    for await (const _ of process.output());
  }
}

async function findBrowser(guest: GuestClient): Promise<GuestProcessInfo | undefined> {
  return (await guest.processes()).find(({ tag, state }) => tag === browserTag && state === 'running')
}

/** One that runs and cannot be reached is ended first: two of them cannot share a profile. */
async function restart(guest: GuestClient): Promise<void> {
  await endBrowser(guest)
  const process = await guest.exec({
    argv: ['/bin/sh', '-c', program, 'sh', ...options],
    tag: browserTag,
  })
  const late = setTimeout(() => process.detach(), startMs)
  let words = ''
  try {
    words = await untilListening(process)
  } catch (cause) {
    await endBrowser(guest).catch(() => {})
    throw new WarrenError('unavailable', `the browser did not start within ${startMs / 1000} s`, {
      hint: 'Ask again, or give the sandbox more processors and memory.',
      cause,
    })
  } finally {
    clearTimeout(late)
  }
  if (words === '') return process.detach()
  throw await didNotStart(process, words)
}

/** Reads what it writes until it says where it listens. Answers with its last words if it ends before. */
async function untilListening(process: GuestProcess): Promise<string> {
  let words = ' '
  for await (const { data } of process.output()) {
    words = (words + data.toString('latin1')).slice(-keptWords)
    if (/DevTools listening on ws:/.test(words)) return ''
  }
  return words
}

async function didNotStart(process: GuestProcess, words: string): Promise<WarrenError> {
  const { exitCode, reason } = await process.exit
  if (exitCode === 127)
    return new WarrenError('unavailable', 'there is no browser in this sandbox', {
      hint: 'Create the sandbox from the template "browser", or from one that has chromium.',
      details: { reason: 'no_browser' },
    })
  const printable = words.replaceAll(/[^\x20-\x7e\n]/g, '?').trim()
  return new WarrenError('unavailable', `the browser ended while it started (${reason})`, {
    hint: 'Details say its last words. Where memory was short, create the sandbox with more of it.',
    details: { reason: 'browser_ended', lastWords: printable },
  })
}

async function connect(guest: GuestClient, signal: AbortSignal): Promise<DevTools> {
  const address = await addressOf(guest, signal)
  const pipe = await guest.dial(address.port, signal)
  const inTime = AbortSignal.any([signal, AbortSignal.timeout(connectMs)])
  const close = () => pipe.destroy()
  inTime.addEventListener('abort', close, { once: true })
  try {
    return await DevTools.open(pipe, address, signal)
  } catch (error) {
    pipe.destroy()
    throw error
  } finally {
    inTime.removeEventListener('abort', close)
  }
}

/** What the file says, which anybody inside may have written. */
async function addressOf(guest: GuestClient, signal: AbortSignal): Promise<{ port: number; path: string }> {
  const { stream } = await guest.files.read(`${profileFolder}/DevToolsActivePort`, { length: 200 }, signal)
  const [, port, path] = /^(\d{1,5})\n(\/devtools\/browser\/[\w-]{1,64})\s*$/.exec(await text(stream)) ?? []
  if (port && path && Number(port) > 0 && Number(port) < 65_536) return { port: Number(port), path }
  throw new WarrenError('unavailable', 'the profile of the browser does not say where it listens')
}

/** What is no fault of the browser's is told; else it is started anew. */
function orHopeless(error: unknown, signal: AbortSignal): undefined {
  if (signal.aborted || !(error instanceof WarrenError)) throw error
  return undefined
}
