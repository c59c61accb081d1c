interface Context {
  step<T>(name: string, work: () => Promise<T>): Promise<T>
}

/** Steps that were finished are not done again when an asynchronous call is made a second time. */
export default async function order(event: { id: string }, context: Context) {
  const charged = await context.step('charge', async () => ({ order: event.id, at: Date.now() }))
  const shipped = await context.step('ship', async () => ({ order: event.id }))
  return { charged, shipped }
}
