// A small web site, run inside the sandbox whose browser is looked at: node browser-site.mjs PORT
import http from 'node:http'

const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const form = `<form action="/sent">
  <input name="firstChild" type="hidden" value="x"><label>Name <input name="name"></label>
  <label>Secret <input type="password" name="secret" value="hidden words"></label>
  <select name="colour" aria-label="Colour"><option>red<option>green</select>
  <input type="checkbox" name="agreed" id="agreed"><label for="agreed">Agree</label>
  <input type="date" name="day" aria-label="Day"><input type="submit" value="Send"></form>`
const pages = {
  '/': `<title>Start</title><h1>Welcome</h1><p>Some <b>text</b>.<a href="/form">To the form</a><img src="/dot.png" alt="a dot">
    <a href="/opened" target="_blank">New window</a>
    <button onclick="alert('hello'); confirm('sure?')">Ask</button><button onclick="window.open('/opened')">Open</button>
    <button disabled>Off</button><button style="display: none">Hidden</button><div id="shade"></div>
    <script>document.body.append('written by a script, ' + document.querySelector('img').alt)</script>`,
  '/form': `<title>Form</title>${form}`,
  '/opened': '<title>Opened</title><p>in a window of its own<button onclick="window.close()">Close</button>',
  '/covered':
    '<title>Covered</title><button>Below</button><div style="position: fixed; inset: 0; background: red">The cover</div>',
  '/half': '<title>Half</title><p>the text is there<img src="/never">',
  '/hangs': '<title>Hangs</title><script>setTimeout(() => { for (;;); }, 200)</script>',
}

http
  .createServer((request, response) => {
    const { pathname, search } = new URL(request.url, 'http://site')
    if (pathname === '/never') return
    if (pathname === '/dot.png') return response.setHeader('content-type', 'image/png').end(Buffer.from(dot, 'base64'))
    response.setHeader('content-type', 'text/html; charset=utf-8')
    if (pathname === '/sent') return response.end(`<title>Sent</title><p>${encodeURI(decodeURIComponent(search))}`)
    if (pathname === '/huge') {
      response.write('<title>Huge</title>')
      for (let line = 0; line < 20_000; line++)
        response.write(`<p>line ${line} <a href="/${line}">link ${line}</a> ${'x'.repeat(200)}`)
      for (let depth = 0; depth < 5000; depth++) response.write('<div>')
      return response.end()
    }
    const page = pages[pathname]
    response.statusCode = page ? 200 : 404
    response.end(`<!doctype html>${page ?? '<title>Missing</title>'}`)
  })
  .listen(Number(process.argv[2]), '127.0.0.1')
