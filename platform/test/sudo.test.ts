import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { lacksOf, startPlatform } from './platform.ts'

const platform = await startPlatform()
const lacks = await lacksOf(platform)

describe('sudo', { skip: lacks.root }, () => {
  const inside = async (command: string, more: object = {}) => {
    const path = await platform.sandbox()
    const answer = await platform.json('POST', `${path}/execute`, { command, ...more })
    await platform.call('DELETE', path)
    return answer
  }

  test('the user of a sandbox becomes root, with its output, input and exit code', async () => {
    const { stdout, stderr, exitCode } = await inside(
      'cd /tmp; sudo sh -c "id -un; pwd; cat; echo complaint >&2; exit 7"; echo "code $?"',
      { stdin: 'given' },
    )
    assert.deepEqual([stdout, stderr, exitCode], ['root\n/tmp\ngivencode 7\n', 'complaint\n', 0])
  })

  test('it takes options, variables and other users', async () => {
    const { stdout, stderr } = await inside(
      "A=lost sudo -n B=given sh -c 'echo \"$A$B $SUDO_USER $HOME\"'; A=kept sudo -E sh -c 'echo $A'; sudo -u daemon id -un; sudo -v && sudo -i pwd",
    )
    assert.deepEqual([stdout, stderr], ['given user /root\nkept\ndaemon\n/root\n', ''])
  })

  test('a program that is ended takes what it started as root with it', async () => {
    const { stdout } = await inside(
      'sudo sleep 1234 & sleep 0.5; kill -TERM $!; wait $!; echo "code $?"; pgrep -x sleep || echo none',
    )
    assert.match(stdout, /code 143\nnone\n/)
  })

  test('other users get nothing, unless they are in the group sudo', async () => {
    const refused = await inside('sudo id', { user: 'daemon' })
    assert.deepEqual([refused.exitCode, refused.stdout], [1, ''])
    assert.match(refused.stderr, /may not become root/)
    const { stdout } = await inside(
      'cd /; echo "sudo:x:27:daemon" >>/etc/group; sudo -u daemon /.warren/bin/sudo id -un',
      { user: 'root' },
    )
    assert.equal(stdout, 'root\n')
  })
})
