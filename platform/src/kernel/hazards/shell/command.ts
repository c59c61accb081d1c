/** A command as far as it is known: its words with variables and quotes resolved. */
export interface Command {
  words: string[]
  /** Variables that are set for it alone. */
  sets: [name: string, value: string][]
  redirects: { operator: string; target: string }[]
  /** What it reads, where that is written there. */
  input?: string
  /** As it is written. */
  text: string
}
