import { type Static, Type } from 'typebox'

const text = { format: 'plain-text' }
const strict = { additionalProperties: false }
const NodeId = Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$' })

/** A part of a graph that does one thing with what is sent to it. */
export const GraphNode = Type.Object(
  {
    id: NodeId,
    task: Type.Optional(
      Type.String({ minLength: 1, maxLength: 20_000, ...text, description: 'What it does with what it is sent.' }),
    ),
    agent: Type.Optional(
      Type.String({
        pattern: '^[a-z0-9][a-z0-9-]{0,63}$',
        description: 'The agent that does it, in a run of its own with the same budget. Default: this one.',
      }),
    ),
    instructions: Type.Optional(
      Type.String({ maxLength: 100_000, ...text, description: 'In the place of those of this agent.' }),
    ),
    model: Type.Optional(
      Type.String({ minLength: 1, maxLength: 200, ...text, description: 'As `model`; `small` is the one that plans.' }),
    ),
    tools: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 128 }), {
        maxItems: 256,
        uniqueItems: true,
        description: 'Those of the tools of this agent that it has; `*` at the end stands for anything. Default: all.',
      }),
    ),
    join: Type.Optional(
      Type.Enum(['any', 'all'], {
        default: 'any',
        description:
          'any: it begins with each message. all: once every node that leads to it has sent it one; with what there is where no more can come.',
      }),
    ),
    approval: Type.Optional(Type.Boolean({ description: 'Ask a human before it begins.' })),
    attempts: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10, default: 2, description: 'How often it is tried before it has failed.' }),
    ),
  },
  strict,
)
export type GraphNode = Static<typeof GraphNode>

/** Where the result of a node is sent. Without a condition: wherever it is done. */
export const GraphEdge = Type.Object(
  {
    from: NodeId,
    to: NodeId,
    matches: Type.Optional(
      Type.String({ minLength: 1, maxLength: 1000, description: 'Only results that match this regular expression.' }),
    ),
    failed: Type.Optional(Type.Boolean({ description: 'Where it has failed; without one the run ends then.' })),
    otherwise: Type.Optional(Type.Boolean({ description: 'Where no other condition of the node holds.' })),
  },
  strict,
)
export type GraphEdge = Static<typeof GraphEdge>

export const Graph = Type.Object(
  {
    nodes: Type.Array(GraphNode, { minItems: 1, maxItems: 64 }),
    edges: Type.Optional(Type.Array(GraphEdge, { maxItems: 512 })),
    start: Type.Optional(
      Type.Array(NodeId, {
        minItems: 1,
        maxItems: 64,
        description: 'Those that begin with the task. Default: those that no edge leads to.',
      }),
    ),
    maxVisits: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1000, default: 10, description: 'How often one node may begin.' }),
    ),
  },
  strict,
)
export type Graph = Static<typeof Graph>

/** The result of a node on its way to another one. */
export interface Sent {
  id: number
  from: string
  to: string
  text: string
}

/** One time that a node does what it does. */
export interface Visit {
  node: string
  /** The how manieth of its node. */
  visit: number
  attempt: number
  status: 'running' | 'done' | 'failed'
  /** Another agent does it. */
  agent?: string
  /** Of the run when it began. */
  step: number
  since: number
  text: string
  /** The text of its first attempt. */
  given: string
  result?: string
  /** Its result was sent to nobody. */
  isLast?: boolean
}

/** How far a run has come in its graph. */
export interface GraphState {
  visits: Visit[]
  pending: Sent[]
  sent: number
}

/** Why this is no graph that could be walked; undefined where it is. */
export function graphFault({ nodes, edges = [], start }: Graph): string | undefined {
  const ids = new Set<string>()
  for (const { id, agent, instructions, model, tools } of nodes) {
    if (ids.has(id)) return `two nodes have the id "${id}"`
    ids.add(id)
    if (agent !== undefined && (instructions ?? model ?? tools) !== undefined)
      return `node "${id}" is done by the agent ${agent}, which has its own instructions, model and tools`
  }
  for (const { from, to, matches, failed, otherwise } of edges) {
    const missing = [from, to].find((id) => !ids.has(id))
    if (missing !== undefined) return `an edge from "${from}" to "${to}" needs a node "${missing}", and there is none`
    if ([matches, failed, otherwise].filter((one) => one !== undefined && one !== false).length > 1)
      return `the edge from "${from}" to "${to}" has more than one condition`
    if (matches !== undefined && patternFault(matches)) return `the edge from "${from}": ${patternFault(matches)}`
  }
  const unknown = start?.find((id) => !ids.has(id))
  if (unknown !== undefined) return `it starts with "${unknown}", and there is no such node`
  return startsOf({ nodes, edges, ...(start && { start }) }).length === 0
    ? 'an edge leads to every node, so "start" must name those that begin'
    : undefined
}

export function startsOf({ nodes, edges = [], start }: Graph): GraphNode[] {
  if (start) return nodes.filter(({ id }) => start.includes(id))
  return nodes.filter(({ id }) => !edges.some(({ to }) => to === id))
}

export interface Ready {
  node: GraphNode
  takes: Sent[]
}

/**
 * The nodes that can begin now, each with what it takes. One that waits for all begins with what there is as soon as nothing else can:
 * a branch that was not taken sends nothing any more.
 */
export function readyNodes(graph: Graph, { visits, pending }: GraphState): Ready[] {
  const starts = startsOf(graph).filter(({ id }) => !visits.some(({ node }) => node === id))
  if (starts.length > 0) return starts.map((node) => ({ node, takes: [] }))
  const idle = graph.nodes.filter(({ id }) => pending.some(({ to }) => to === id))
  const ready = idle.flatMap((node): Ready[] => {
    const mine = firstOfEach(pending, node)
    if (node.join !== 'all') return [{ node, takes: mine.slice(0, 1) }]
    const sources = new Set((graph.edges ?? []).flatMap(({ from, to }) => (to === node.id ? from : [])))
    return mine.length === sources.size ? [{ node, takes: mine }] : []
  })
  if (ready.length > 0) return ready
  // What one of them sends may be what another still waits for; where each waits for another, one has to be the first.
  const free = idle.filter(({ id }) => !idle.some((other) => other.id !== id && reached(graph, other.id).has(id)))
  return (free.length > 0 ? free : idle.slice(0, 1)).map((node) => ({ node, takes: firstOfEach(pending, node) }))
}

/** The nodes that something which begins at `from` may come to. */
function reached({ edges = [] }: Graph, from: string): Set<string> {
  const found = new Set<string>()
  const open = [from]
  for (let at = open.pop(); at !== undefined; at = open.pop())
    for (const { from: source, to } of edges)
      if (source === at && !found.has(to)) {
        found.add(to)
        open.push(to)
      }
  return found
}

/** Of the messages to a node the oldest of each sender. */
function firstOfEach(pending: readonly Sent[], { id }: GraphNode): Sent[] {
  const mine = pending.filter(({ to }) => to === id)
  return mine.filter(({ from }, at) => mine.findIndex((one) => one.from === from) === at)
}

/** What came out in the end: the results that were sent to nobody, of each node the last. */
export function outputOf({ visits }: GraphState): string {
  const last = new Map<string, string>()
  for (const { node, status, isLast, result = '' } of visits) if (isLast && status === 'done') last.set(node, result)
  if (last.size === 1) return [...last.values()][0]!
  return [...last].map(([node, result]) => `${node}:\n${result}`).join('\n\n')
}

export function threadOf({ node, visit, attempt }: Pick<Visit, 'node' | 'visit' | 'attempt'>): string {
  return `node:${node}:${visit}:${attempt}`
}

function patternFault(pattern: string): string | undefined {
  try {
    new RegExp(pattern, 'u')
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}
