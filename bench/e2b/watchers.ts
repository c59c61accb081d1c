import { Recorder, type Series } from '../measure/series.ts'
import { callInside, type E2bDeps } from './client-of.ts'

/** A write through the files API in a watched folder, whose events have to be there when the call has returned. */
export async function measureWatchers(deps: E2bDeps): Promise<Series[]> {
  const { create, driver, quick } = deps
  const sandbox = await create()
  const recorder = new Recorder()
  try {
    await sandbox.files.makeDir('/home/user/watched')
    const { watcherId } = await callInside(deps, sandbox, 'CreateWatcher', { path: '/home/user/watched' })
    for (let index = 0; index < (quick ? 20 : 200); index++) {
      const name = `file-${index}`
      await recorder.time(() => sandbox.files.write(`/home/user/watched/${name}`, 'x'))
      const { events = [] } = (await callInside(deps, sandbox, 'GetWatcherEvents', { watcherId })) as {
        events?: { name: string; type: string }[]
      }
      const own = events.filter((event) => event.name === name).map(({ type }) => type)
      if (!own.includes('EVENT_TYPE_CREATE') || !own.includes('EVENT_TYPE_WRITE'))
        recorder.fail(new Error(`after the write of ${name} there were ${own.join(', ') || 'no events'}`))
    }
  } finally {
    await sandbox.kill()
  }
  return [recorder.series(`write in a watched folder, its events there after it, ${driver}`)]
}
