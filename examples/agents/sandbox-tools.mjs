// What an agent of any library needs of a sandbox: run code, run a command, read and write files. Plain functions with a JSON Schema each.
import { Warren } from '@warren/sdk'

const object = (properties) => ({
  type: 'object',
  properties: Object.fromEntries(Object.entries(properties).map(([name, more]) => [name, { type: 'string', ...more }])),
  required: Object.keys(properties),
  additionalProperties: false,
})

/** Tools that share one sandbox, which ends with `close()` or a quarter of an hour after it was made. */
export async function sandboxTools(warren = new Warren(), options = { timeout: 900 }) {
  const sandbox = await warren.sandboxes.create(options)
  const told = ({ stdout, stderr, exitCode }) => JSON.stringify({ stdout, stderr, exitCode })
  return {
    close: () => sandbox.kill(),
    tools: [
      {
        name: 'run_code',
        description: 'Runs a program in a sandbox and answers what it prints. Files last, variables do not.',
        schema: object({ language: { enum: ['python', 'javascript', 'typescript', 'bash'] }, code: {} }),
        run: async ({ language, code }) => told(await sandbox.run(code, { language, timeout: 60 })),
      },
      {
        name: 'shell',
        description: 'Runs a line of /bin/sh in the sandbox.',
        schema: object({ command: {} }),
        run: async ({ command }) => told(await sandbox.exec(command, { timeout: 60 })),
      },
      {
        name: 'read_file',
        description: 'Reads a text file of the sandbox.',
        schema: object({ path: {} }),
        run: ({ path }) => sandbox.files.readText(path),
      },
      {
        name: 'write_file',
        description: 'Writes a text file of the sandbox.',
        schema: object({ path: {}, content: {} }),
        run: async ({ path, content }) => {
          await sandbox.files.write(path, content)
          return `${path} is written.`
        },
      },
    ],
  }
}
