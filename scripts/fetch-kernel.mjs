// npm run fetch-kernel: fetches a kernel for the guests of microVMs into $WARREN_HOME/tools, where the platform looks for it.
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { fetchKernel } from './set-up/kernel.mjs'
import { tell } from './set-up/tell.mjs'

const home = process.env.WARREN_HOME || (process.getuid() === 0 ? '/var/lib/warren' : join(homedir(), '.warren'))
const toolsDir = join(resolve(home), 'tools')
const why = await fetchKernel(toolsDir)
tell(why ? `the kernel could not be fetched: ${why}` : `the kernel for microVMs is in ${toolsDir}/kernel`)
process.exitCode = why ? 1 : 0
