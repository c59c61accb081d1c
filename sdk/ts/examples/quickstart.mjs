// Runs code in a fresh sandbox. Plain JavaScript, Node 18.17 or later:
//   WARREN_URL=http://127.0.0.1:7070 WARREN_API_KEY=$(cat /var/lib/warren/admin.key) node quickstart.mjs
import { Warren } from '@warren/sdk'

const warren = new Warren() // reads WARREN_URL and WARREN_API_KEY; or: new Warren({ baseUrl, apiKey })
const sandbox = await warren.sandboxes.create({ timeout: 120 })
try {
  console.log('sandbox  ', sandbox.id, 'on', sandbox.info.runtime.driver)

  const { stdout } = await sandbox.run('print(6 * 7)')
  console.log('run      ', stdout.trim())

  await sandbox.files.write('data.csv', 'a,b\n1,2\n')
  await sandbox.exec('wc -l data.csv', { onStdout: (text) => console.log('exec     ', text.trim()) })

  const server = await sandbox.spawn('python3 -m http.server 8000 --bind 127.0.0.1')
  await sandbox.ports.waitFor(8000, { timeoutMs: 10_000 })
  const answer = await sandbox.ports.fetch(8000, '/data.csv')
  console.log('port 8000', JSON.stringify(await answer.text()))
  await server.kill()
} finally {
  await sandbox.kill()
}
