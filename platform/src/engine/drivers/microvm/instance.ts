import type { DriverInstance, InstanceDir, InstanceSpec } from '../../driver.ts'
import { GuestClient } from '../../guest/client.ts'
import { askMachine, openConsole } from './control.ts'
import { saveInto } from './saved-machine.ts'

/** An instance that is a machine: the host sees one process, and what happens in it the guest's kernel knows. */
export function asMachine(instance: DriverInstance, spec: InstanceSpec, dir: InstanceDir): DriverInstance {
  const { defaultUser } = instance
  const guest = new GuestClient(instance.agent, { defaultUser, wasOutOfMemory: async () => false })
  let inside = { processes: 0, oomKills: 0 }
  return {
    ...instance,
    console: () => openConsole(dir),
    pause: () => askMachine(dir, 'vmPause'),
    resume: () => askMachine(dir, 'vmResume'),
    snapshot: (into, options, signal) => saveInto(into, { id: spec.id, dir }, options, signal),
    async usage() {
      const usage = await instance.usage()
      inside = await guest.metrics().catch(() => inside)
      return usage && { ...usage, processes: inside.processes, oomKills: usage.oomKills + inside.oomKills }
    },
  }
}
