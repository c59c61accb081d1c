import type { Node } from 'web-tree-sitter'
import { hazardOfReading, hazardOfWriting, isRoot, namesMetadata } from '../sensitive-places.ts'
import { unknown } from '../shell/scope.ts'
import { quoted } from '../shell/unwrap.ts'
import { type Heard, Names } from './heard.ts'
import { walk } from './walk.ts'

const downloads = /(^|\.)(fetch|axios(\.get)?|got|request)$|^https?\.(get|request)$/
const decodings = /^(Buffer\.from|atob|unescape|zlib\.\w+)$/

/** Goes through JavaScript or TypeScript in the order in which it is written. */
export function inspectScript(root: Node, heard: Heard): void {
  const names = new Names()
  const seen = { connects: false, shell: false, pipes: false }
  walk(root, (node) => {
    if (node.type === 'import_statement') imported(node, names)
    else if (node.type === 'variable_declarator')
      assigned(node.childForFieldName('name'), node.childForFieldName('value'), names)
    else if (node.type === 'assignment_expression')
      assigned(node.childForFieldName('left'), node.childForFieldName('right'), names)
    else if ((node.type === 'string' || node.type === 'template_string') && namesMetadata(node.text))
      heard.found('cloud-metadata', node.text)
    else if (
      node.type === 'while_statement' &&
      /^\((true|1)\)$/.test(node.childForFieldName('condition')?.text ?? '') &&
      callsOf(node, names).some((name) => name === 'child_process.fork' || name === 'cluster.fork')
    )
      heard.found('fork-bomb', node.text)
    else if (node.type === 'call_expression' || node.type === 'new_expression') judge(node, { names, heard, seen })
  })
  if (seen.connects && seen.shell && seen.pipes) heard.found('reverse-shell', root.text)
}

interface Around {
  names: Names
  heard: Heard
  seen: { connects: boolean; shell: boolean; pipes: boolean }
}

function judge(node: Node, { names, heard, seen }: Around): void {
  const { found, nested } = heard
  const name = calleeOf(node, names)
  const args = (node.childForFieldName('arguments')?.namedChildren ?? []).filter(({ type }) => type !== 'comment')
  const first = args[0]
  const constant = first && constantOf(first, names)
  if (/^(eval|globalThis\.eval|Function|vm\.(run\w+|Script|compileFunction))$/.test(name)) {
    const code = name === 'Function' ? args.at(-1) : first
    const text = code && constantOf(code, names)
    const within = code ? callsOf(code, names) : []
    if (within.some((one) => downloads.test(one))) found('download-run', node.text)
    else if (within.some((one) => decodings.test(one))) found('decoded-run', node.text)
    else if (text === undefined) found('dynamic-code', node.text)
    if (text !== undefined) nested({ kind: 'javascript', text, by: name })
    return
  }
  if (/^child_process\.(exec|execSync)$/.test(name)) {
    if (constant !== undefined) nested({ kind: 'shell', text: constant, by: name })
    else if (first) found('hidden-command', node.text)
  } else if (/^child_process\.(spawn|spawnSync|execFile|execFileSync|fork)$/.test(name)) {
    const list = args[1]?.type === 'array' ? args[1].namedChildren.map((one) => constantOf(one, names) ?? unknown) : []
    if (constant !== undefined) nested({ kind: 'shell', text: [constant, ...list].map(quoted).join(' '), by: name })
    else if (first) found('hidden-command', node.text)
    if (/(^|\/)(ba|da|z)?sh$|cmd\.exe/.test(constant ?? '')) seen.shell = true
  }
  if (/^(net|tls)\.(connect|createConnection|Socket)$/.test(name)) {
    seen.connects = true
    found('raw-socket', node.text)
  }
  if (/\.pipe$/.test(name)) seen.pipes = true
  if (
    /^(fs|fs\.promises|fs-extra)\.(rm|rmSync|rmdir|rmdirSync|remove|removeSync|emptyDir)$/.test(name) &&
    constant !== undefined &&
    isRoot(constant)
  )
    found('remove-root', node.text)
  if (/^fs(\.promises)?\.(read\w*|open\w*|copy\w*|createReadStream)$/.test(name) && constant !== undefined) {
    const hazard = hazardOfReading(constant)
    if (hazard) found(hazard, node.text)
  }
  if (/^fs(\.promises)?\.(write\w*|append\w*|createWriteStream|symlink\w*)$/.test(name) && constant !== undefined) {
    const hazard = hazardOfWriting(constant)
    if (hazard) found(hazard, node.text)
  }
  if (name === 'process.dlopen' || name === 'process.binding') found('native-code', node.text)
  if ((name === 'require' || node.childForFieldName('function')?.type === 'import') && first && constant === undefined)
    found('dynamic-code', node.text)
  if (/rejectUnauthorized\s*:\s*false/.test(node.text) && downloads.test(name)) found('unchecked-tls', node.text)
}

function imported(node: Node, names: Names): void {
  const source = node.childForFieldName('source')
  const module = source && constantOf(source, names)
  if (!module) return
  for (const one of node.descendantsOfType('import_specifier')) {
    const what = one?.childForFieldName('name')?.text
    if (what) names.alias(one!.childForFieldName('alias')?.text ?? what, `${plain(module)}.${what}`)
  }
  for (const one of node.descendantsOfType('namespace_import'))
    names.alias(one!.namedChildren[0]?.text ?? '', plain(module))
  const whole = node.namedChildren.find(({ type }) => type === 'import_clause')?.namedChildren[0]
  if (whole?.type === 'identifier') names.alias(whole.text, plain(module))
}

function assigned(left: Node | null, right: Node | null, names: Names): void {
  if (!left || !right) return
  const value = right.type === 'await_expression' ? right.namedChildren[0]! : right
  const dotted = dottedOf(value, names)
  if (left.type === 'object_pattern' && dotted !== undefined)
    for (const one of left.namedChildren) {
      if (one.type === 'shorthand_property_identifier_pattern') names.alias(one.text, `${dotted}.${one.text}`)
      else if (one.type === 'pair_pattern')
        names.alias(one.childForFieldName('value')!.text, `${dotted}.${one.childForFieldName('key')!.text}`)
    }
  if (left.type !== 'identifier') return
  names.set(left.text, constantOf(value, names))
  if (dotted !== undefined && dotted !== left.text) names.alias(left.text, dotted)
}

function calleeOf(node: Node, names: Names): string {
  const callee = node.childForFieldName('function') ?? node.childForFieldName('constructor')
  return callee ? (dottedOf(callee, names) ?? '') : ''
}

/** `child_process.exec`, also as `require('child_process')['exec']`. */
function dottedOf(node: Node, names: Names): string | undefined {
  if (node.type === 'identifier') return names.resolve(node.text)
  if (node.type === 'parenthesized_expression' || node.type === 'await_expression')
    return node.namedChildren[0] && dottedOf(node.namedChildren.at(-1)!, names)
  if (node.type === 'member_expression' || node.type === 'subscript_expression') {
    const object = dottedOf(node.childForFieldName('object')!, names)
    const key = node.childForFieldName('property')?.text ?? keyOf(node.childForFieldName('index'), names)
    if (key === undefined) return undefined
    // `(0, a.b)` and `promisify(a.b)` are beside the point: what is called on something unknown has its own name.
    return object === undefined
      ? `?.${key}`
      : /^(globalThis|global|window|default)$/.test(object)
        ? key
        : `${object}.${key}`
  }
  if (node.type !== 'call_expression') return undefined
  const callee = node.childForFieldName('function')
  const first = node.childForFieldName('arguments')?.namedChildren[0]
  const module = first && constantOf(first, names)
  if (callee && (callee.text === 'require' || callee.type === 'import') && module !== undefined) return plain(module)
  if (callee && /(^|\.)promisify$/.test(callee.text) && first) return dottedOf(first, names)
  return undefined
}

function keyOf(node: Node | null, names: Names): string | undefined {
  return node ? constantOf(node, names) : undefined
}

function plain(module: string): string {
  return module.replace(/^node:/, '').replace(/^fs\/promises$/, 'fs.promises')
}

function constantOf(node: Node, names: Names): string | undefined {
  switch (node.type) {
    case 'string':
      return node.namedChildren
        .map((child) => (child.type === 'escape_sequence' ? unescaped(child.text) : child.text))
        .join('')
    case 'template_string':
      return node.namedChildren
        .map((child) =>
          child.type === 'template_substitution'
            ? ((child.namedChildren[0] && constantOf(child.namedChildren[0], names)) ?? unknown)
            : child.type === 'escape_sequence'
              ? unescaped(child.text)
              : child.text,
        )
        .join('')
    case 'number':
      return node.text
    case 'identifier':
      return names.valueOf(node.text)
    case 'parenthesized_expression':
      return node.namedChildren[0] && constantOf(node.namedChildren[0], names)
    case 'binary_expression': {
      if (node.childForFieldName('operator')?.text !== '+') return undefined
      const [left, right] = [
        constantOf(node.childForFieldName('left')!, names),
        constantOf(node.childForFieldName('right')!, names),
      ]
      return left === undefined || right === undefined ? undefined : left + right
    }
    case 'call_expression':
      return computed(node, names)
    case 'member_expression':
      return /^process\.env\.HOME$/.test(node.text) ? '~' : undefined
    default:
      return undefined
  }
}

function computed(node: Node, names: Names): string | undefined {
  const name = calleeOf(node, names)
  const args = node.childForFieldName('arguments')?.namedChildren ?? []
  const [first, second] = args.map((arg) => constantOf(arg, names))
  if (name === 'os.homedir') return '~'
  if (/\.toString$/.test(name)) {
    const on = node.childForFieldName('function')?.childForFieldName('object')
    return on ? constantOf(on, names) : undefined
  }
  if (first === undefined) return undefined
  if (name === 'atob' || (name === 'Buffer.from' && second === 'base64'))
    return Buffer.from(first, 'base64').toString('utf8')
  if (name === 'Buffer.from' && second === 'hex') return Buffer.from(first, 'hex').toString('utf8')
  if (name === 'Buffer.from') return first
  if (/^path\.(join|resolve)$/.test(name)) {
    const parts = args.map((arg) => constantOf(arg, names))
    return parts.every((part) => part !== undefined) ? parts.join('/') : undefined
  }
  return undefined
}

function callsOf(node: Node, names: Names): string[] {
  return node
    .descendantsOfType(['call_expression', 'new_expression'])
    .flatMap((call) => (call ? [calleeOf(call, names)] : []))
}

function unescaped(text: string): string {
  const code = /^\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]{1,6})\})$/i.exec(text)
  if (code) return String.fromCodePoint(Math.min(0x10ffff, Number.parseInt(code[1] ?? code[2] ?? code[3]!, 16)))
  return ({ '\\n': '\n', '\\t': '\t', '\\r': '\r' } as Record<string, string>)[text] ?? text.slice(1)
}
