import type { RunEntry } from '@warren/sdk'
import { harmless } from '../output/harmless.ts'

const widest = 100

interface Found {
  hazard: string
  severity: string
  excerpt: string
}

/** One line for one thing that happened: when, in which step, what the agent does there, what, how long, how many tokens. */
export function lineOfEntry({ at, type, phase, data }: RunEntry): string {
  const { step, ms, usage } = data as {
    step?: number
    ms?: number
    usage?: { inputTokens: number; outputTokens: number; usd: number }
  }
  const time = at.slice(11, 23)
  const took = ms === undefined ? '' : `${ms} ms`
  const tokens = usage ? `${usage.inputTokens}+${usage.outputTokens} tokens` : ''
  const cost = usage?.usd ? `$${usage.usd.toFixed(6)}` : ''
  const numbers = [took, tokens, cost].filter(Boolean).join(', ')
  const what = subject(type, data)
  return harmless(
    `${time}  ${String(step ?? '').padStart(3)}  ${(phase ?? '').padEnd(10)}  ${type.padEnd(18)}  ${what}${numbers ? `  (${numbers})` : ''}`,
  )
}

function subject(type: string, data: Record<string, unknown>): string {
  const short = (value: unknown) => {
    const text = (typeof value === 'string' ? value : (JSON.stringify(value) ?? '')).replace(/\s+/g, ' ')
    return text.length > widest ? `${text.slice(0, widest)}…` : text
  }
  switch (type) {
    case 'run.started':
      return `${short(data.input)}${seen(data)}`
    case 'mcp.listed':
      return `${data.server}: ${(data.tools as unknown[]).length} tools`
    case 'mcp.failed':
      return short(`${data.server}: ${data.message}`)
    case 'message.added':
    case 'thread.opened':
      return `${short(data.text)}${seen(data)}`
    case 'model.answered': {
      const { content } = data.message as {
        content: { type: string; text?: string; name?: string; arguments?: unknown }[]
      }
      const said = content.map((part) =>
        part.type === 'tool_call' ? `${part.name}(${JSON.stringify(part.arguments)})` : part.text,
      )
      return short(said.filter(Boolean).join(' '))
    }
    case 'model.failed':
      return short((data.failure as { message?: string }).message)
    case 'tool.ended':
      return `${data.tool} ${data.status}: ${short(data.text)}${seen(data)}`
    case 'call.inspected':
      return `${data.tool}: ${short((data.findings as Found[]).map(({ hazard, severity, excerpt }) => `${severity} ${hazard} (${excerpt})`).join(', '))}`
    case 'sandbox.observed':
      return `${data.tool}: ${short(observed(data))}`
    case 'tool.started':
      return `${data.tool}`
    case 'run.ended':
      return `${data.reason}${data.message ? `: ${short(data.message)}` : ''}`
    case 'graph.node_started':
      return `${data.node}${data.agent ? ` by ${data.agent}` : ''}: ${short(data.text)}`
    case 'graph.node_ended':
      return `${data.node} ${data.status} → ${(data.sent as string[]).join(', ') || '·'}: ${short(data.result)}`
    case 'plan.made':
      return short((data.steps as { id: string }[]).map(({ id }) => id).join(', '))
    default:
      return short(data.text ?? data.result ?? data.reason ?? data.id ?? data.for ?? '')
  }
}

/** The images that belong to it. */
function seen({ images = [] }: { images?: { mediaType: string; bytes: number }[] }): string {
  return images.map(({ mediaType, bytes }) => ` [${mediaType}, ${bytes} bytes]`).join('')
}

/** What a call did in the sandbox: where to, which files, what is left. */
function observed({ network, files, processes, ports }: Record<string, unknown>): string {
  const { entries = [], more: moreEntries = 0 } = (network ?? {}) as {
    entries?: { kind: string; verdict: string; to: string }[]
    more?: number
  }
  const { changed = [], more: moreFiles = 0 } = (files ?? {}) as {
    changed?: { path: string; what: string }[]
    more?: number
  }
  return [
    ...entries.map(({ kind, verdict, to }) => `${verdict} ${kind} ${to}`),
    ...(moreEntries ? [`and ${moreEntries} more`] : []),
    ...(processes ? [`${(processes as { left: number }).left} processes left`] : []),
    ...(ports ? [`listens at ${(ports as number[]).join(', ')}`] : []),
    ...changed.map(({ path, what }) => `${what} ${path}`),
    ...(moreFiles ? [`and ${moreFiles} more files`] : []),
  ].join('; ')
}
