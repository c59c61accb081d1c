import { readFile } from 'node:fs/promises'
import type { Process, Sandbox } from '@warren/sdk'
import type { Finding } from './case.ts'

/** A program may take this long where nothing is emulated. */
const longestSeconds = 30

/** A sandbox with the probe in it. */
export class Cell {
  readonly sandbox: Sandbox
  /** A folder inside that everybody there may write to. One name for each: unconfined ones share a file system. */
  readonly scratch: string
  /** Who can make attempts: root first, where there is one. */
  users: string[] = ['']
  /** So many times longer may everything take in it. */
  readonly patience: number

  constructor(sandbox: Sandbox, folder: string, patience: number) {
    this.sandbox = sandbox
    this.patience = patience
    this.scratch = `${folder}/warren-verify-${sandbox.id}`
  }

  /** Finds out who there is, and puts the probe in. */
  async open(probeBinary: string): Promise<void> {
    const { sandbox, scratch } = this
    if (sandbox.info.runtime?.isolation !== 'none') {
      const root = await sandbox.exec(['true'], { user: 'root' }).catch(() => undefined)
      this.users = root ? ['root', 'user'] : ['user']
    }
    const owner = this.#as(this.users[0]!)
    await sandbox.exec(`mkdir -p ${scratch} && chmod 1777 ${scratch}`, owner)
    await sandbox.files.write(this.probeBinary, await readFile(probeBinary), { mode: '0755', ...owner })
  }

  get probeBinary(): string {
    return `${this.scratch}/warren-probe`
  }

  /** Makes the attempt as everybody there is. Open if one of them gets through. */
  async probe(words: string[], users: string[] = this.users): Promise<Finding> {
    const findings: Finding[] = []
    for (const user of users) findings.push(await this.probeAs(user, words))
    return findings.find(({ open }) => open) ?? findings[0]!
  }

  async probeAs(user: string, words: string[]): Promise<Finding> {
    const options = { timeout: longestSeconds * this.patience, ...this.#as(user) }
    const { stdout, stderr, exitCode, signal, reason } = await this.sandbox.exec([this.probeBinary, ...words], options)
    return findingOf(stdout, `${words.join(' ')} as ${user || 'root'}: ${signal ?? exitCode} ${reason} ${stderr}`)
  }

  /** Starts the probe and goes on when it has said that it is ready. It ends with the sandbox, or by itself. */
  async holds(words: string[]): Promise<Process> {
    const process = await this.sandbox.spawn([this.probeBinary, ...words], this.#as(this.users[0]!))
    for await (const { text } of process.output()) if (text.includes('ready')) return process
    throw new Error(`${words.join(' ')} ended before it was ready`)
  }

  /** What a command writes; it may fail. */
  async sh(command: string, user = this.users[0]!): Promise<string> {
    const { stdout } = await this.sandbox.exec(command, { timeout: longestSeconds * this.patience, ...this.#as(user) })
    return stdout
  }

  #as(user: string): { user?: string } {
    return user ? { user } : {}
  }
}

/** The last line that the probe wrote, read. Throws with `what` where it wrote none. */
export function findingOf(stdout: string, what: string): Finding {
  const line = stdout.trim().split('\n').at(-1) ?? ''
  try {
    const { open, saw } = JSON.parse(line)
    if (typeof open === 'boolean' && typeof saw === 'string') return { open, saw }
  } catch {
    // Told below.
  }
  throw new Error(`the probe did not answer: ${what}`)
}
