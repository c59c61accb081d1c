import { benchNetwork } from './ladder/network.ts'

// node bench/network.ts [--quick]: the rows of the network alone, as JSON.
process.stdout.write(`${JSON.stringify(await benchNetwork({ quick: process.argv.includes('--quick') }), null, 2)}\n`)
process.exit()
