/** Whether a statement failed because a row with that value is there already. */
export function isDuplicate(error: unknown): boolean {
  return (error as { code?: string }).code === '23505'
}
