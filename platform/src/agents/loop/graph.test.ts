import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Graph, type GraphState, graphFault, outputOf, readyNodes, type Visit } from './graph.ts'

const visit = (node: string, more: Partial<Visit> = {}): Visit => ({
  node,
  visit: 1,
  attempt: 1,
  status: 'done',
  step: 0,
  since: 0,
  text: '',
  given: '',
  ...more,
})
const state = (more: Partial<GraphState>): GraphState => ({ visits: [], pending: [], sent: 0, ...more })
const sent = (id: number, from: string, to: string) => ({ id, from, to, text: `${from} ${id}` })
const ready = (graph: Graph, of: GraphState) =>
  readyNodes(graph, of).map(({ node, takes }) => [node.id, ...takes.map(({ id }) => id)])

const diamond: Graph = {
  nodes: [{ id: 'top' }, { id: 'left' }, { id: 'right' }, { id: 'bottom', join: 'all' }],
  edges: [
    { from: 'top', to: 'left' },
    { from: 'top', to: 'right' },
    { from: 'left', to: 'bottom' },
    { from: 'left', to: 'bottom', failed: true },
    { from: 'right', to: 'bottom' },
  ],
}

test('nodes that no edge leads to begin, or those that are named', () => {
  assert.deepEqual(ready(diamond, state({})), [['top']])
  assert.deepEqual(ready({ ...diamond, start: ['right', 'left'] }, state({})), [['left'], ['right']])
  // One that waits for a human begins later.
  const two: Graph = { nodes: [{ id: 'a' }, { id: 'b' }] }
  assert.deepEqual(ready(two, state({ visits: [visit('a')] })), [['b']])
})

test('a join begins once all have sent, with the oldest of each, and with what there is where no more can come', () => {
  const visits = [visit('top')]
  const both = [sent(0, 'top', 'left'), sent(1, 'top', 'right')]
  assert.deepEqual(ready(diamond, state({ visits, pending: both })), [
    ['left', 0],
    ['right', 1],
  ])
  const half = [sent(2, 'left', 'bottom'), sent(3, 'left', 'bottom'), both[1]!]
  assert.deepEqual(ready(diamond, state({ visits, pending: half })), [['right', 1]])
  const whole = [...half.slice(0, 2), sent(4, 'right', 'bottom')]
  assert.deepEqual(ready(diamond, state({ visits, pending: whole })), [['bottom', 2, 4]])
  assert.deepEqual(ready(diamond, state({ visits, pending: half.slice(0, 2) })), [['bottom', 2]])
})

test('what came out are the last results that were sent to nobody', () => {
  const visits = [visit('a', { result: 'old', isLast: true }), visit('b', { result: 'on its way' })]
  assert.equal(outputOf(state({ visits })), 'old')
  const more = [...visits, visit('a', { visit: 2, result: 'new', isLast: true })]
  assert.equal(outputOf(state({ visits: more })), 'new')
  assert.equal(outputOf(state({ visits: [...more, visit('c', { result: 'C', isLast: true })] })), 'a:\nnew\n\nc:\nC')
})

test('what is no graph is said in a sentence', () => {
  const nodes = [{ id: 'a' }, { id: 'b' }]
  const fault = (edges: Graph['edges'], more: Partial<Graph> = {}) =>
    graphFault({ nodes, ...(edges && { edges }), ...more })
  assert.equal(fault([{ from: 'a', to: 'b' }]), undefined)
  assert.match(graphFault({ nodes: [nodes[0]!, nodes[0]!] })!, /two nodes have the id "a"/)
  assert.match(fault([{ from: 'a', to: 'c' }])!, /needs a node "c"/)
  assert.match(fault([{ from: 'a', to: 'b', matches: '(' }])!, /the edge from "a": Invalid regular expression/)
  assert.match(fault([{ from: 'a', to: 'b', matches: 'x', failed: true }])!, /more than one condition/)
  const circle = [
    { from: 'a', to: 'b' },
    { from: 'b', to: 'a' },
  ]
  assert.match(fault(circle)!, /"start" must name/)
  assert.equal(fault(circle, { start: ['a'] }), undefined)
  assert.match(fault(circle, { start: ['x'] })!, /starts with "x"/)
  assert.match(graphFault({ nodes: [{ id: 'a', agent: 'other', tools: [] }] })!, /its own instructions/)
})

test('of joins that wait for each other the one begins that no other leads to, and in a circle the first', () => {
  const nodes: Graph['nodes'] = [
    { id: 's' },
    { id: 'late', join: 'all' },
    { id: 'early', join: 'all' },
    { id: 'never' },
  ]
  const edges = [
    { from: 's', to: 'early' },
    { from: 's', to: 'late' },
    { from: 'never', to: 'early' },
    { from: 'early', to: 'late' },
  ]
  const pending = [sent(0, 's', 'early'), sent(1, 's', 'late')]
  const visits = [visit('s')]
  const graph: Graph = { nodes, edges, start: ['s'] }
  assert.deepEqual(ready(graph, state({ visits, pending })), [['early', 0]])
  const circle = [...edges, { from: 'late', to: 'early' }]
  assert.deepEqual(ready({ ...graph, edges: circle }, state({ visits, pending })), [['late', 1]])
})
