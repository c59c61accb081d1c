import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readable } from './readable.ts'

test('of a page its text remains, in its lines', () => {
  const cases: [string, string][] = [
    [
      '<html><head><title>A &amp; B</title></head><body><h1>One</h1><p>two  <b>three</b></p></body>',
      'A & B\nOne\ntwo three',
    ],
    ['a<br>b<BR/>c<ul><li>d</li>\n\n<li> e</li></ul>', 'a\nb\nc d\ne'],
    ['a<script type="x">if (1 < 2) document.write("<p>")</script >b<STYLE>p{}</style>c', 'a b c'],
    ['a<!-- <b>no</b> --> c<!---->d', 'a c d'],
    ['1 < 2 <> 3 <<b>x</b>', '1 < 2 <> 3 < x'],
    ['&lt;b&gt; &#39;x&#39;&nbsp;&quot;y&quot; &other;', `<b> 'x' "y" &other;`],
    // What is never closed hides nothing.
    ['a<script>b', 'a b'],
    ['a<!-- b', 'a<!-- b'],
    ['a<b', 'a<b'],
    ['<scripture>a</scripture>', 'a'],
    ['', ''],
  ]
  for (const [html, text] of cases) assert.equal(readable(html), text)
})

test('a page that is made to be read again and again is read once', () => {
  // So long that what is quadratic takes hours.
  for (const part of [
    '<',
    '<script>',
    '<!--',
    '<a',
    '</script ',
    '<!-- <script> ',
    '<b><style>',
    '\f',
    ' \n',
    '<template>x</templat>',
  ]) {
    const html = part.repeat(4_000_000 / part.length)
    assert.ok(readable(html).length <= html.length, part)
  }
})
