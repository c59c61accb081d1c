import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline/promises'
import type { Command } from 'commander'
import { text } from '../messages.ts'
import { repeated } from '../options.ts'
import { agentArgument } from '../runs/agent-argument.ts'
import { tellOutcome } from '../runs/outcome.ts'
import { watchRun } from '../runs/watch-run.ts'
import { server } from '../server.ts'

export function addChat(parent: Command): void {
  parent
    .command('chat')
    .description(text.chat)
    .argument('<agent>', text.argumentAgent)
    .option('--session <run>', text.optionSession)
    .option('--image <file>', text.optionChatImage, repeated, [])
    .action(chat)
}

/** One line is one message; the end of the input ends it. The first is shown the images. The session stays and can be taken up again. */
async function chat(agent: string, { session, image }: { session?: string; image: string[] }): Promise<void> {
  let images = image.map((file) => readFileSync(file))
  const warren = server()
  const { runId } = session ? await warren.runs.get(session) : await warren.runs.startSession(agentArgument(agent))
  process.stderr.write(`${text.sessionIs(runId)}\n`)
  let { seq } = await watchRun(warren, runId, { quiet: true })
  const lines = createInterface({
    input: process.stdin,
    output: process.stderr,
    terminal: process.stdin.isTTY === true,
  })
  try {
    lines.setPrompt('> ')
    // Input that comes all at once has ended before its first line is answered.
    let isOpen = true
    lines.on('close', () => {
      isOpen = false
    })
    lines.prompt()
    for await (const line of lines) {
      if (line.trim()) {
        await warren.runs.say(runId, line, undefined, { images })
        images = []
        const watched = await watchRun(warren, runId, { after: seq })
        seq = watched.seq
        tellOutcome(watched.run)
        if (watched.run.state !== 'waiting') return
      }
      if (isOpen) lines.prompt()
    }
  } finally {
    lines.close()
  }
}
