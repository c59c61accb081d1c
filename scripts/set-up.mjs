// Makes this clone ready to run: npm packages, the JavaScript of the SDK, Debian packages, guest agent, gVisor. Does only
// what is missing; a second run takes a fraction of a second. Plain JavaScript without dependencies: it runs before anything
// is installed, on Node 18 or later. With the argument `packages` it stops after the npm packages and the SDK; with `test`
// gVisor is fetched for the tests, into the clone, with a kernel for microVMs and a registry of images, and else for the platform, into its folder. Everything is told on stderr.
import { installDebianPackages } from './set-up/debian-packages.mjs'
import { buildGuest } from './set-up/guest.mjs'
import { fetchGvisor, fetchTestGvisor } from './set-up/gvisor.mjs'
import { fetchTestKernel } from './set-up/kernel.mjs'
import { installNodePackages } from './set-up/node-packages.mjs'
import { fetchTestRegistry } from './set-up/registry.mjs'
import { buildSdk } from './set-up/sdk.mjs'
import { tell } from './set-up/tell.mjs'
import { waitForTurn } from './set-up/turn.mjs'

const started = Date.now()

try {
  const giveUpTurn = await waitForTurn()
  try {
    const packages = installNodePackages().then(buildSdk)
    if (process.argv[2] === 'packages') await packages
    else {
      const forTests = process.argv[2] === 'test'
      const gvisor = forTests ? fetchTestGvisor() : fetchGvisor()
      const debian = installDebianPackages({ forTests })
      const forTestsOnly = forTests ? [debian.then(fetchTestKernel), debian.then(fetchTestRegistry)] : []
      await Promise.all([packages, debian.then(buildGuest), gvisor, ...forTestsOnly])
    }
  } finally {
    giveUpTurn()
  }
  const seconds = (Date.now() - started) / 1000
  if (seconds > 2) tell(`done after ${seconds.toFixed(1)} s`)
} catch (error) {
  tell(`failed: ${error.message}`)
  // The other branch may still be at work: without this the process would wait for it before it reports.
  process.exit(1)
}
