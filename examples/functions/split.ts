interface Context {
  all<T>(calls: { function: string; payload: unknown }[]): Promise<T[]>
}

/** Adds up numbers by halves, each half a call of its own. Calls wait for their halves without an instance. */
export default async function split({ numbers }: { numbers: number[] }, context: Context): Promise<number> {
  if (numbers.length <= 2) return numbers.reduce((sum, number) => sum + number, 0)
  const middle = numbers.length >> 1
  const halves = [numbers.slice(0, middle), numbers.slice(middle)]
  const sums = await context.all<number>(halves.map((half) => ({ function: 'split', payload: { numbers: half } })))
  return sums.reduce((sum, number) => sum + number, 0)
}
