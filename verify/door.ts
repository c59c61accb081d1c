import net from 'node:net'

/** An address to knock at: the platform's, or the weak one. */
export interface Door {
  url: string
  key: string
  /** A sandbox that is there. */
  sandboxId: string
}

export interface Answer {
  /** 0 where the connection ended without one. */
  status: number
  head: string
  body: string
}

/**
 * Sends these bytes as they are, for what no well-behaved client would send, and reads until there is an answer, the other
 * side hangs up, or time is over.
 */
export function sendRaw({ url }: Door, bytes: string | Buffer, withinMs = 5000): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let text = ''
    const socket = net.connect(Number(port), hostname, () => socket.write(bytes))
    const done = () => {
      socket.destroy()
      const [head = '', body = ''] = text.split('\r\n\r\n', 2)
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body })
    }
    const timer = setTimeout(done, withinMs)
    socket.on('data', (chunk) => {
      text = (text + chunk.toString('latin1')).slice(0, 1024 * 1024)
      if (text.includes('\r\n\r\n')) setTimeout(done, 50)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(timer)
      done()
    })
  })
}

export function request(door: Door, method: string, path: string, headers: string[] = []): string {
  const { host } = new URL(door.url)
  const named = headers.some((line) => /^host:/i.test(line)) ? headers : [`host: ${host}`, ...headers]
  return `${method} ${path} HTTP/1.1\r\n${named.map((line) => `${line}\r\n`).join('')}\r\n`
}

/** Whether somebody with the key is still served. */
export async function isServed(door: Door): Promise<boolean> {
  const options = { headers: { 'x-api-key': door.key }, signal: AbortSignal.timeout(5000) }
  return fetch(`${door.url}/v1/sandboxes/${door.sandboxId}`, options).then(
    ({ ok }) => ok,
    () => false,
  )
}
