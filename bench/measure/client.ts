import { HttpConnection } from './http-connection.ts'

export interface CreatedSandbox {
  id: string
  warm: boolean
  runtime: { driver: string; isolation: string; disk: string }
  limits: { diskMb: number }
}

/** An answer that is not what was asked for. */
export class Refusal extends Error {
  readonly answer: string

  constructor(request: string, { status, body }: { status: number; body: Buffer }) {
    super(`${request}: HTTP ${status} ${body.toString().slice(0, 300)}`)
    this.answer = body.toString()
  }
}

/** The few calls that are measured, over one raw connection. A failure is an error that says the status and the answer. */
export class Client {
  readonly #connection: HttpConnection

  private constructor(connection: HttpConnection) {
    this.#connection = connection
  }

  static async open({ url, apiKey }: { url: string; apiKey: string | undefined }): Promise<Client> {
    return new Client(await HttpConnection.open(url, apiKey))
  }

  create(input: object): Promise<CreatedSandbox> {
    return this.#json('POST', '/v1/sandboxes', { timeout: 600, ...input })
  }

  /** Runs a command and answers with what it wrote. A command that fails is an error here. */
  async execute(id: string, command: string | string[]): Promise<string> {
    const result = await this.#json<{ stdout: string; stderr: string; exitCode: number | null }>(
      'POST',
      `/v1/sandboxes/${id}/execute`,
      { command },
    )
    if (result.exitCode !== 0)
      throw new Error(`${command} ended with ${result.exitCode}: ${result.stderr.slice(0, 200)}`)
    return result.stdout
  }

  /** Runs a line for the shell, however it ends. */
  attempt(
    id: string,
    command: string,
    timeout = 60,
  ): Promise<{ stdout: string; stderr: string; exitCode: number | null; reason: string }> {
    return this.#json('POST', `/v1/sandboxes/${id}/execute`, { command, timeout })
  }

  /** The smallest command that answers something, checked. */
  async echo(id: string): Promise<void> {
    const output = await this.execute(id, ['echo', 'hello'])
    if (output !== 'hello\n') throw new Error(`echo answered ${JSON.stringify(output)}`)
  }

  async createContext(id: string, language = 'python'): Promise<string> {
    return (await this.#json<{ id: string }>('POST', `/v1/sandboxes/${id}/contexts`, { language })).id
  }

  executeInContext(
    id: string,
    contextId: string,
    code: string,
  ): Promise<{ result?: string; results: { png?: string }[] }> {
    return this.#json('POST', `/v1/sandboxes/${id}/contexts/${contextId}/execute`, { code })
  }

  async removeContext(id: string, contextId: string): Promise<void> {
    await this.#connection.request('DELETE', `/v1/sandboxes/${id}/contexts/${contextId}`)
  }

  /** As the host counts it; undefined where nothing counts. */
  async memoryBytes(id: string): Promise<number | undefined> {
    return (await this.#json<{ memoryBytes?: number }>('GET', `/v1/sandboxes/${id}/metrics`)).memoryBytes
  }

  async start(id: string, command: string): Promise<void> {
    await this.#json('POST', `/v1/sandboxes/${id}/processes`, { command })
  }

  /** One of the verbs that need no more than their name: pause, resume. */
  async act(id: string, verb: 'pause' | 'resume'): Promise<void> {
    await this.#json('POST', `/v1/sandboxes/${id}/${verb}`, {})
  }

  async fork(id: string, count: number): Promise<{ id: string }[]> {
    const path = `/v1/sandboxes/${id}/fork`
    return (await this.#json<{ sandboxes: { id: string }[] }>('POST', path, { count, timeout: 600 })).sandboxes
  }

  get(id: string): Promise<{ state: string; endReason?: string }> {
    return this.#json('GET', `/v1/sandboxes/${id}`)
  }

  async templateState(name: string): Promise<string> {
    return (await this.#json<{ state: string }>('GET', `/v1/templates/${name}`)).state
  }

  async remove(id: string): Promise<void> {
    const { status, body } = await this.#connection.request('DELETE', `/v1/sandboxes/${id}`)
    if (status !== 204 && status !== 404) throw new Error(`HTTP ${status}: ${body}`)
  }

  async runtimes<More = unknown>(): Promise<
    ({ driver: string; isolation: string; healthy: boolean; reason: string } & More)[]
  > {
    return (await this.#json<{ runtimes: [] }>('GET', '/v1/runtimes')).runtimes
  }

  async list(): Promise<{ id: string }[]> {
    return (await this.#json<{ sandboxes: { id: string }[] }>('GET', '/v1/sandboxes?limit=1000')).sandboxes
  }

  /** How many sandboxes wait in the warm pool; undefined where the server does not tell. */
  async poolReady(): Promise<number | undefined> {
    const { body } = await this.#connection.request('GET', '/metrics')
    const value = /^warren_sandbox_pool_ready (\d+)/m.exec(body.toString())?.[1]
    return value === undefined ? undefined : Number(value)
  }

  close(): void {
    this.#connection.close()
  }

  async #json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.#connection.request(method, path, body)
    if (answer.status >= 300) throw new Refusal(`${method} ${path}`, answer)
    return JSON.parse(answer.body.toString())
  }
}
