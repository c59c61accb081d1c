/** How the processes that share a database tell each other that there is something in the outbox. What is lost costs time alone. */
export interface Wire {
  /** Whether what others tell is heard at the moment. */
  isUp(): boolean
  /** Tells the others. Called a few times a second at most; what fails is not told again. */
  tell(): void
  close(): Promise<void>
}

/** `heard` is called when another process told something, and when the wire breaks or is back: something may have been missed. */
export type OpenWire = (heard: () => void) => Promise<Wire>

/** For the only process of a database: there is nobody to tell. */
export const noWire: OpenWire = async () => ({ isUp: () => true, tell: () => {}, close: async () => {} })
