import { WarrenError } from '../errors.ts'

export interface Setting<T> {
  /** Path into Config, with a dot for the nested ones. */
  name: string
  env: string
  /** Shown in the documentation, and what is used when the variable is absent or empty. */
  default: T
  meaning: string
  parse: (text: string) => T
}

/** A row of a table of settings; the type of its value is that of its default. */
export function setting<T>(row: Setting<T>): Setting<T> {
  return row
}

export function readSetting<T>(setting: Setting<T>, env: Record<string, string | undefined>): T {
  const text = env[setting.env]?.trim()
  if (!text) return setting.default
  try {
    return setting.parse(text)
  } catch (error) {
    throw new WarrenError('invalid_request', `${setting.env} must be ${(error as Error).message}, not "${text}"`)
  }
}

export function number(range: { least: number; most: number; whole?: boolean }): (text: string) => number {
  return (text) => {
    const value = Number(text)
    const ok = value >= range.least && value <= range.most && (!range.whole || Number.isInteger(value))
    if (!ok) throw new RangeError(`a ${range.whole ? 'whole ' : ''}number from ${range.least} to ${range.most}`)
    return value
  }
}

export function oneOf<T extends string>(...values: T[]): (text: string) => T {
  return (text) => {
    const value = values.find((candidate) => candidate === text)
    if (value === undefined) throw new RangeError(`one of ${values.join(', ')}`)
    return value
  }
}

export function domain(text: string): { name: string; port: number | undefined } {
  const [, name, port] =
    /^((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]+)(?::([1-9]\d{0,4}))?$/.exec(text.toLowerCase()) ?? []
  // Clients take no certificate for *.localhost: a star needs two labels behind it.
  if (!name || name.length > 180 || Number(port ?? 1) > 65_535 || /^[\d.]+$/.test(name))
    throw new RangeError('a domain of two labels or more, such as box.example.com or box.localhost:7070')
  return { name, port: port === undefined ? undefined : Number(port) }
}

export function list(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean)
}

export function origins(text: string): string[] {
  const listed = text.split(',').map((origin) => origin.trim())
  for (const origin of listed) {
    if (origin !== '*' && !(URL.canParse(origin) && new URL(origin).origin === origin))
      throw new Error(`must be origins such as https://app.example.com, not "${origin}"`)
  }
  return listed
}
