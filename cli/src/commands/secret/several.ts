/** An option that may be repeated. */
export function several(value: string, before: string[] = []): string[] {
  return [...before, value]
}
