import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReference, parseReference } from './reference.ts'

const digest = `sha256:${'0123456789abcdef'.repeat(4)}`

test('names are read as Docker reads them', () => {
  const names: Record<string, string> = {
    python: 'docker.io/library/python:latest',
    'python:3.12-slim': 'docker.io/library/python:3.12-slim',
    'grafana/loki': 'docker.io/grafana/loki:latest',
    'docker.io/python': 'docker.io/library/python:latest',
    'index.docker.io/grafana/loki:1': 'docker.io/grafana/loki:1',
    'ghcr.io/owner/deep/name:v1': 'ghcr.io/owner/deep/name:v1',
    'localhost/x': 'localhost/x:latest',
    'localhost:5000/x:y': 'localhost:5000/x:y',
    '10.0.0.1:5000/a/b': '10.0.0.1:5000/a/b:latest',
    '[2001:DB8::1]:5000/x': '[2001:db8::1]:5000/x:latest',
    [`python@${digest}`]: `docker.io/library/python@${digest}`,
    [`ghcr.io/a/b:tag@${digest}`]: `ghcr.io/a/b:tag@${digest}`,
    'a__b/c.d/e-f--g': 'docker.io/a__b/c.d/e-f--g:latest',
  }
  for (const [name, full] of Object.entries(names)) assert.equal(formatReference(parseReference(name)), full)
  assert.equal(parseReference('python').host, 'registry-1.docker.io')
  assert.equal(parseReference('ghcr.io/a/b').host, 'ghcr.io')
})

test('what is no name is refused', () => {
  const others = [
    '',
    ':',
    '@',
    'Python',
    'a//b',
    '/a',
    'a/',
    'a:',
    'a:b:c/d',
    `a@${digest}@${digest}`,
    'a@sha256:12',
    'a@md5:0',
  ]
  const hosts = [
    'ghcr.io:0/a',
    'ghcr.io:99999/a',
    'user@ghcr.io/a',
    'gh_cr.io/a',
    'evil.com#/a',
    'evil.com?x/a',
    'a.b:80:90/c',
  ]
  for (const name of [...others, ...hosts, '../x', 'a/../b', 'a b', 'ä', 'a\n', 'x'.repeat(256), '-a', 'a_.b'])
    assert.throws(() => parseReference(name), { code: 'invalid_request' }, name)
})
