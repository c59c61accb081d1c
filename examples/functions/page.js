/** Answers at its URL: `warren fn deploy examples/functions/page.js --public` prints it. */
export default async (request) => {
  const { pathname, searchParams } = new URL(request.url)
  return new Response(`<h1>hello ${searchParams.get('name') ?? pathname}</h1>`, {
    headers: { 'content-type': 'text/html; charset=utf-8' },
  })
}
