import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { microvmDriver } from '../src/engine/drivers/microvm/driver.ts'
import { testDriver } from './contracts/driver.ts'
import { firecrackerByStandIn, makeStandIn } from './stand-ins/firecracker.ts'

// The whole contract through the API, the socket of the vsock and the jail, with real guests that are emulated.
const folder = mkdtempSync(join(tmpdir(), 'warren-stand-in-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const program = await makeStandIn(folder)

if (existsSync('/usr/bin/python3'))
  testDriver(
    'microvm/firecracker',
    'microvm',
    { hostKernel: 'calls end in a kernel of its own' },
    {
      title: 'by its stand-in',
      make: (host) => microvmDriver(host, firecrackerByStandIn(program), {}),
    },
  )
