import { lacksRoom } from './quota-exceeded.ts'

/**
 * What `reserve` answers. As long as it takes more processors or memory than its organisation may have, something idle of the
 * organisation gives way, if `giveWay` finds any.
 */
export async function inRoom<T>(reserve: () => Promise<T>, giveWay: () => Promise<boolean>): Promise<T> {
  for (;;) {
    try {
      return await reserve()
    } catch (error) {
      if (!lacksRoom(error) || !(await giveWay())) throw error
    }
  }
}
