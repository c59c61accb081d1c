import { inside } from '../../network/messages.ts'

/** Of the sandbox's network, as slots have it. */
export const networkDevice = 'eth0'
const netmask = '255.255.255.252'

/** What the kernel does not know on its command line becomes a variable of its first process. */
export const networkArgument = `WARREN_NETWORK=${inside.address},${netmask},${inside.gateway}`
