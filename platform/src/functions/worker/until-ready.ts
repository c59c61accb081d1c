import { WarrenError } from '../../errors.ts'

/** Resolves when the program of a worker listens. Throws what it said where it ends instead. */
export async function untilReady(output: AsyncGenerator<{ data: Buffer }>, runtime: string): Promise<void> {
  let said = ''
  for (;;) {
    const next = await output.next()
    const cannot = next.done && /^cannot preload .*$/m.exec(said)
    if (cannot) throw new WarrenError('invalid_request', cannot[0], { hint: 'See the setting preload.' })
    if (next.done)
      throw new WarrenError('unavailable', `a worker for ${runtime} ended at its start: ${said.slice(-500).trim()}`)
    said += next.value.data.toString()
    if (/^ready$/m.test(said)) return
  }
}
