import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findRoute, type Route, type RouteMethod, readPath, shapeOf } from './route.ts'

function route(text: string): Route {
  const [method, path] = text.split(' ') as [RouteMethod, string]
  return {
    ...{ id: text, accountId: 'a', functionId: 'f', method, path, segments: readPath(path) },
    ...{ version: undefined, createdAt: new Date(0) },
  }
}

test('a text goes before a parameter, that before the rest, and a method before all of them, whatever came first', () => {
  const routes = [
    ...[
      '* /{all+}',
      'GET /orders/{id}',
      '* /orders/{id}',
      'GET /orders/new',
      'GET /{noun}/new',
      'GET /orders/{id}/{rest+}',
    ],
    ...['POST /', 'GET /orders/'],
  ].map(route)
  for (const order of [routes, routes.toReversed()])
    for (const [request, expected, params] of [
      ['GET /orders/7', 'GET /orders/{id}', { id: '7' }],
      ['HEAD /orders/7', 'GET /orders/{id}', { id: '7' }],
      ['PUT /orders/7', '* /orders/{id}', { id: '7' }],
      ['GET /orders/new', 'GET /orders/new', {}],
      ['PUT /orders/new', '* /orders/{id}', { id: 'new' }],
      ['GET /things/new', 'GET /{noun}/new', { noun: 'things' }],
      ['GET /orders/7/lines/2', 'GET /orders/{id}/{rest+}', { id: '7', rest: 'lines/2' }],
      ['GET /orders/a%2Fb', 'GET /orders/{id}', { id: 'a/b' }],
      ['GET /orders/gr%C3%BCn', 'GET /orders/{id}', { id: 'grün' }],
      ['GET /orders/', 'GET /orders/', {}],
      ['GET /orders', '* /{all+}', { all: 'orders' }],
      ['POST /', 'POST /', {}],
    ] as const) {
      const [method, path] = request.split(' ') as [string, string]
      const found = findRoute(order, method, path)
      assert.ok(found && 'route' in found, request)
      assert.deepEqual([found.route.id, { ...found.params }], [expected, params], request)
    }
  assert.deepEqual(findRoute(routes, 'GET', '/'), { allow: ['POST'] })
  assert.equal(findRoute(routes, 'GET', '/orders/..'), undefined)
  assert.equal(findRoute(routes, 'GET', '/%2e%2e/x'), undefined)
  for (const path of ['/orders/%', '/orders/%00'])
    assert.throws(() => findRoute(routes, 'GET', path), { code: 'invalid_request' })
})

test('paths that match the same requests have the same shape, and what is no path is refused', () => {
  assert.equal(shapeOf(readPath('/a/{one}/{more+}')), shapeOf(readPath('/a/{two}/{rest+}')))
  assert.notEqual(shapeOf(readPath('/a/{one}')), shapeOf(readPath('/a/{one+}')))
  for (const path of [
    'orders',
    '',
    '/a//b',
    '/../a',
    '/a/{id}x',
    '/{a}/{a}',
    '/{a+}/b',
    '/a?b',
    '/a%20b',
    '/{1}',
    '/a b',
  ])
    assert.throws(() => readPath(path), { code: 'invalid_request' }, path)
})
