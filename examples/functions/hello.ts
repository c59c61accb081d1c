interface Event {
  name?: string
}

/** `warren fn deploy examples/functions/hello.ts`, then `warren fn invoke hello --data '{"name":"Ada"}'`. */
export default async function hello(event: Event, context: { requestId: string }) {
  console.log('called', context.requestId)
  return { text: `hello ${event.name ?? 'world'}` }
}
