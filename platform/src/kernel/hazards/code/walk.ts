import type { Node } from 'web-tree-sitter'

/** Shows a node and all below it, in the order in which they are written. */
export function walk(node: Node, see: (node: Node) => void): void {
  see(node)
  for (const child of node.namedChildren) walk(child, see)
}
