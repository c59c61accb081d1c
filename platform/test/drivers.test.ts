import { testDriver } from './contracts/driver.ts'

testDriver('oci/runc', 'container')
testDriver('namespaces', 'namespaces', { root: 'a user namespace of one uid has no second one to be root' })
testDriver('unconfined', 'none', {
  root: 'runs as whoever runs the platform',
  isolation: 'there is none, which is why it is only chosen by name',
  limits: 'nothing of the host is protected from it',
})
