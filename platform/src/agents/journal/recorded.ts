import type { Entry } from './entry.ts'

/** An entry, and its data as JSON: made once, for whoever looks through it and whoever writes it. */
export interface Recorded {
  entry: Entry
  json: string
}

export function recorded(entry: Entry): Recorded {
  return { entry, json: JSON.stringify(entry.data) }
}
