import assert from 'node:assert/strict'
import { test } from 'node:test'
import { roleNames } from '../config/role-names.ts'
import { allows, authorize, authorizeGrant, permissionNames, permissionsOf, type Role } from './roles.ts'

const may = (role: Role, ...scopes: never[]) => permissionsOf({ role, scopes: scopes.length > 0 ? scopes : undefined })

test('each role may what it is for, and the operator alone may what is of the platform', () => {
  assert.deepEqual(
    permissionNames.filter((name) => !may('owner').includes(name)),
    ['platform:manage'],
  )
  assert.deepEqual(
    may('owner').filter((name) => !may('admin').includes(name)),
    ['billing:manage', 'org:manage'],
  )
  for (const name of ['keys:manage', 'members:manage', 'billing:read', 'audit:read'] as const)
    assert.ok(!may('developer').includes(name), name)
  assert.deepEqual(
    may('viewer').filter((name) => !name.endsWith(':read')),
    [],
  )
  for (const name of ['secrets:read', 'billing:read', 'audit:read'] as const) assert.ok(!may('viewer').includes(name))
  for (const role of roleNames) assert.ok(!may(role).includes('platform:manage'))
  assert.ok(allows({ role: 'operator', scopes: undefined }, 'platform:manage'))
})

test('scopes narrow a role and never widen it', () => {
  const viewer = { role: 'viewer', scopes: ['sandboxes:read', 'keys:manage'] } as const
  assert.deepEqual(permissionsOf(viewer), ['sandboxes:read'])
  assert.equal(allows(viewer, 'keys:manage'), false)
  assert.equal(allows({ role: 'owner', scopes: [] }, 'sandboxes:read'), false)
})

test('a refusal says what is missing, and nobody gives more than they have', () => {
  const key = {
    kind: 'key',
    id: 'k',
    accountId: 'a',
    role: 'admin',
    scopes: ['keys:manage', 'sandboxes:read'],
  } as const
  assert.throws(() => authorize(key, 'sandboxes:write'), /its scopes leave out the permission "sandboxes:write"/)
  assert.throws(() => authorize({ ...key, scopes: undefined }, 'org:manage'), /its role admin lacks .*"org:manage"/)
  assert.throws(() => authorizeGrant(key, { role: 'developer', scopes: undefined }), { code: 'forbidden' })
  authorizeGrant(key, { role: 'viewer', scopes: ['sandboxes:read'] })
})
