import { bubblewrap } from '../src/engine/drivers/namespaces/bubblewrap.ts'
import { namespacesDriver } from '../src/engine/drivers/namespaces/driver.ts'
import { unshare } from '../src/engine/drivers/namespaces/unshare.ts'
import { testDriver } from './contracts/driver.ts'

const noRoot = { root: 'a user namespace of one uid has no second one to be root' }

const ownKernel = 'calls end in a kernel of its own'

testDriver('microvm/qemu', 'microvm', { hostKernel: ownKernel })
testDriver('oci/runsc', 'userspace-kernel', { hostKernel: ownKernel, ownKiller: 'gVisor is one process of the host' })
testDriver('oci/runc', 'container')
testDriver('namespaces', 'namespaces', noRoot, {
  title: 'by bubblewrap',
  make: (host) => namespacesDriver(host, [bubblewrap]),
})
testDriver('namespaces', 'namespaces', noRoot, {
  title: 'by unshare',
  make: (host) => namespacesDriver(host, [unshare]),
})
testDriver('unconfined', 'none', {
  root: 'runs as whoever runs the platform',
  isolation: 'there is none, which is why it is only chosen by name',
  limits: 'nothing of the host is protected from it',
})
