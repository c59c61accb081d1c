import { Type } from 'typebox'
import { WarrenError } from '../errors.ts'

/** What becomes of a sandbox when its time is over, and when it is asked for while it is paused. Said once, at the start. */
export interface Lifecycle {
  onTimeout: 'kill' | 'pause'
  /** Whether the pause at its end keeps what runs. */
  keepMemory: boolean
  autoResume: boolean
  /** What it was given to live at its start: it is given that again when it is woken. */
  timeoutSeconds: number
}

const schemas = {
  onTimeout: Type.Enum(['kill', 'pause'], {
    description: 'What happens when its time is over: it is deleted, or paused until somebody resumes it.',
  }),
  keepMemory: Type.Boolean({
    description: 'Whether the pause when its time is over keeps what runs, or its files alone.',
  }),
  autoResume: Type.Boolean({
    description:
      'While it is paused with what ran, whatever comes in for it, at its ports or by this API, resumes it first.',
  }),
}

export const lifecycleView = schemas
export const lifecycleInput = {
  onTimeout: Type.Optional({ ...schemas.onTimeout, default: 'kill' } as typeof schemas.onTimeout),
  keepMemory: Type.Optional({ ...schemas.keepMemory, default: true } as typeof schemas.keepMemory),
  autoResume: Type.Optional({ ...schemas.autoResume, default: false } as typeof schemas.autoResume),
}

/** Seconds until a sandbox stops by itself when nobody says otherwise. */
const usualSeconds = 300
/** What one that is woken has to live at least, seconds: whoever woke it has something to do. */
const leastWokenSeconds = 300

/** Throws `invalid_request` for wishes that contradict each other. */
export function lifecycleOf({
  onTimeout = 'kill',
  keepMemory = true,
  autoResume = false,
  timeout = usualSeconds,
}: {
  onTimeout?: Lifecycle['onTimeout']
  keepMemory?: boolean
  autoResume?: boolean
  timeout?: number
}): Lifecycle {
  if (!keepMemory && onTimeout === 'kill')
    throw new WarrenError('invalid_request', 'keepMemory: false is about a pause: it needs onTimeout "pause"')
  if (!keepMemory && autoResume)
    throw new WarrenError('invalid_request', 'autoResume needs what ran: it cannot go with keepMemory: false')
  return { onTimeout, keepMemory, autoResume, timeoutSeconds: timeout }
}

/** As it is recorded; sandboxes from before it was have none. */
export function recordedLifecycle(recorded: unknown): Lifecycle {
  return { ...lifecycleOf({}), ...(recorded as Partial<Lifecycle>) }
}

/** How long one lives that is woken by what came in for it, seconds. */
export function wokenSeconds({ timeoutSeconds }: Lifecycle): number {
  return Math.max(timeoutSeconds, leastWokenSeconds)
}
