/** An organisation, as everything else knows it: who owns sandboxes and pays for them. */
export interface Account {
  id: string
  /** Lower case letters, digits and dashes. */
  name: string
  /** How many sandboxes may be starting or running at once. */
  maxSandboxes: number
}
