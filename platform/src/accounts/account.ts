/** Who owns sandboxes and pays for them. */
export interface Account {
  id: string
  name: string
  /** How many sandboxes may be starting or running at once. */
  maxSandboxes: number
}
