import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryHome } from '../../test/test-database.ts'
import { maxSlots } from './host/host.ts'
import { InstanceStore } from './instance-store.ts'

test('when all host uid ranges are taken, that is told, and one given back is handed out again', async (t) => {
  const store = await InstanceStore.open(join(temporaryHome(t), 'run'))
  const slots = new Set(Array.from({ length: maxSlots }, () => store.takeSlot()))
  assert.equal(slots.size, maxSlots)
  assert.throws(() => store.takeSlot(), { code: 'limit_exceeded' })

  const limits = { cpuCores: 1, memoryMb: 64, diskMb: 16, maxProcesses: 8, maxOpenFiles: 64 }
  const rootfs = { skeleton: '', readOnly: [] }
  await store.remove({ id: 'i1', template: 'base', rootfs, limits, slot: 4711 })
  assert.equal(store.takeSlot(), 4711)
})
