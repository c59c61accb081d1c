import type { Node } from 'web-tree-sitter'
import { hazardOfReading, hazardOfWriting, isRoot, namesMetadata } from '../sensitive-places.ts'
import { unknown } from '../shell/scope.ts'
import { quoted } from '../shell/unwrap.ts'
import { type Heard, Names } from './heard.ts'
import { walk } from './walk.ts'

const shellCalls =
  /^(os\.(system|popen)|commands\.getoutput|subprocess\.(getoutput|getstatusoutput)|asyncio\.create_subprocess_shell)$/
const processCalls =
  /^(subprocess\.(run|call|check_call|check_output|Popen)|os\.(exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?)|pty\.spawn|asyncio\.create_subprocess_exec|sh\.\w+)$/
const deletions = /^(shutil\.rmtree|os\.removedirs)$/
const readers = /(^|\.)(open|read_text|read_bytes|copy|copyfile|copy2|copytree|load|Path)$/
const downloads = /(^|\.)(urlopen|urlretrieve)$|^(requests|httpx|urllib3|aiohttp)\.(get|post|request)$/
const decodings =
  /^(base64\.\w*decode\w*|codecs\.decode|zlib\.decompress|bz2\.decompress|lzma\.decompress|gzip\.decompress|marshal\.loads|binascii\.(unhexlify|a2b_\w+)|bytes\.fromhex|bytearray\.fromhex)$/

/** Goes through Python code in the order in which it is written. */
export function inspectPython(root: Node, heard: Heard): void {
  const names = new Names()
  const seen = { socket: false, dup: false }
  walk(root, (node) => {
    if (node.type === 'import_statement' || node.type === 'import_from_statement') imported(node, names)
    else if (node.type === 'assignment') assigned(node, names)
    else if (
      node.type === 'while_statement' &&
      /^(True|1)$/.test(node.childForFieldName('condition')?.text ?? '') &&
      callsOf(node, names).includes('os.fork')
    )
      heard.found('fork-bomb', node.text)
    else if (node.type === 'string' && namesMetadata(node.text)) heard.found('cloud-metadata', node.text)
    else if (node.type === 'call') judge(node, { names, heard, seen })
  })
  if (seen.socket && seen.dup) heard.found('reverse-shell', root.text)
}

interface Around {
  names: Names
  heard: Heard
  seen: { socket: boolean; dup: boolean }
}

function judge(node: Node, { names, heard, seen }: Around): void {
  const { found, nested } = heard
  const name = calleeOf(node, names)
  const args = (node.childForFieldName('arguments')?.namedChildren ?? []).filter(({ type }) => type !== 'comment')
  const first = args[0]
  const constant = first && constantOf(first, names)
  if (/^(eval|exec|compile|builtins\.(eval|exec))$/.test(name)) {
    const within = first ? callsOf(first, names) : []
    if (within.some((one) => downloads.test(one))) found('download-run', node.text)
    else if (within.some((one) => decodings.test(one))) found('decoded-run', node.text)
    else if (constant === undefined) found('dynamic-code', node.text)
    if (constant !== undefined) nested({ kind: 'python', text: constant, by: name })
    return
  }
  if (/^(pickle|dill|marshal)\.loads?$/.test(name) && first && callsOf(first, names).some((one) => downloads.test(one)))
    found('download-run', node.text)
  if (shellCalls.test(name) || processCalls.test(name)) {
    const isShell = shellCalls.test(name) || /\bshell\s*=\s*True\b/.test(node.text)
    const words =
      /^os\.|create_subprocess_exec$|^sh\./.test(name) && !shellCalls.test(name)
        ? wordsOfArgs(args, names)
        : listOf(first, names)
    if (isShell && constant !== undefined) nested({ kind: 'shell', text: constant, by: name })
    else if (words) nested({ kind: 'shell', text: words.map(quoted).join(' '), by: name })
    else if (constant !== undefined) nested({ kind: 'shell', text: constant, by: name })
    else if (first && callsOf(first, names).some((one) => downloads.test(one))) found('download-run', node.text)
    else if (first) found('hidden-command', node.text)
  }
  if (name === 'pty.spawn' || name === 'os.dup2') seen.dup = true
  if (/^socket\.(socket|create_connection)$/.test(name)) {
    seen.socket = true
    found('raw-socket', node.text)
  }
  // Handing a socket to a process as its input is the same as copying its descriptor there.
  if (processCalls.test(name) && /std(in|out)\s*=\s*\w+\.(fileno|makefile)\(/.test(node.text)) seen.dup = true
  if (deletions.test(name) && constant !== undefined && isRoot(constant)) found('remove-root', node.text)
  if (/^ctypes\.(CDLL|cdll\.\w+|PyDLL|WinDLL)|^cffi\./.test(name)) found('native-code', node.text)
  if (/^(__import__|importlib\.import_module)$/.test(name) && constant === undefined && first)
    found('dynamic-code', node.text)
  if (/^os\.(kill|killpg)$/.test(name) && constant === '-1') found('kill-all', node.text)
  if (/^(pip\.main|pip\._internal\.main)$/.test(name))
    nested({ kind: 'shell', text: `pip ${(listOf(first, names) ?? []).map(quoted).join(' ')}`, by: name })
  if (/\b(verify\s*=\s*False|_create_unverified_context)\b/.test(node.text) && /requests|httpx|ssl/.test(name))
    found('unchecked-tls', node.text)
  if (readers.test(name)) files(node, constant, heard)
}

function files(node: Node, path: string | undefined, { found }: Heard): void {
  if (path === undefined) return
  const mode = /,\s*(?:mode\s*=\s*)?["']([rwaxbt+]+)["']/.exec(node.text)?.[1] ?? 'r'
  const hazard =
    /[wax+]/.test(mode) || /write_/.test(node.parent?.text ?? '') ? hazardOfWriting(path) : hazardOfReading(path)
  if (hazard) found(hazard, node.text)
}

function imported(node: Node, names: Names): void {
  const from = node.childForFieldName('module_name')?.text
  for (const child of node.childrenForFieldName('name')) {
    if (!child) continue
    const what = child.type === 'aliased_import' ? child.childForFieldName('name')!.text : child.text
    const as = child.type === 'aliased_import' ? child.childForFieldName('alias')!.text : what
    if (from) names.alias(as, `${from}.${what}`)
    else if (as !== what) names.alias(as, what)
  }
}

function assigned(node: Node, names: Names): void {
  const [left, right] = [node.childForFieldName('left'), node.childForFieldName('right')]
  if (left?.type !== 'identifier' || !right) return
  names.set(left.text, constantOf(right, names))
  const dotted =
    right.type === 'attribute' || right.type === 'identifier' || right.type === 'call'
      ? dottedOf(right, names)
      : undefined
  if (dotted !== undefined && dotted !== left.text) names.alias(left.text, dotted)
}

/** The name of what is called, as far as it is known. */
function calleeOf(node: Node, names: Names): string {
  const callee = node.childForFieldName('function')
  return callee ? (dottedOf(callee, names) ?? '') : ''
}

/** `os.system`, also as `getattr(os, 'system')` and `__import__('os').system`. */
function dottedOf(node: Node, names: Names): string | undefined {
  if (node.type === 'identifier') return names.resolve(node.text)
  if (node.type === 'parenthesized_expression') return node.namedChildren[0] && dottedOf(node.namedChildren[0], names)
  if (node.type === 'attribute') {
    const object = dottedOf(node.childForFieldName('object')!, names)
    const attribute = node.childForFieldName('attribute')!.text
    return object === undefined ? `?.${attribute}` : `${object}.${attribute}`
  }
  if (node.type !== 'call') return undefined
  const name = calleeOf(node, names)
  const args = node.childForFieldName('arguments')?.namedChildren ?? []
  if (name === '__import__' || name === 'importlib.import_module') return args[0] && constantOf(args[0], names)
  if (name === 'getattr' && args[0] && args[1]) {
    const [object, attribute] = [dottedOf(args[0], names), constantOf(args[1], names)]
    return object !== undefined && attribute !== undefined ? `${object}.${attribute}` : undefined
  }
  return undefined
}

/** A constant text; undefined where it is not known before it runs. */
function constantOf(node: Node, names: Names): string | undefined {
  switch (node.type) {
    case 'string': {
      if (node.namedChildren.some(({ type }) => type === 'interpolation')) return interpolated(node, names)
      const isRaw = /^[bu]*r/i.test(node.text)
      const text = node.namedChildren
        .filter(({ type }) => type === 'string_content')
        .map((child) => child.text)
        .join('')
      return isRaw ? text : unescaped(text)
    }
    case 'concatenated_string':
      return all(node.namedChildren, names)?.join('')
    case 'integer':
    case 'unary_operator':
      return node.text
    case 'identifier':
      return names.valueOf(node.text)
    case 'parenthesized_expression':
      return node.namedChildren[0] && constantOf(node.namedChildren[0], names)
    case 'binary_operator': {
      if (node.childForFieldName('operator')?.text !== '+') return undefined
      return all([node.childForFieldName('left')!, node.childForFieldName('right')!], names)?.join('')
    }
    case 'call':
      return computed(node, names)
    default:
      return undefined
  }
}

function computed(node: Node, names: Names): string | undefined {
  const name = calleeOf(node, names)
  const args = node.childForFieldName('arguments')?.namedChildren ?? []
  const values = all(args.slice(0, 8), names)
  const first = values?.[0]
  if (first === undefined) {
    // `b'…'.decode()` is what it is called on.
    const on = node.childForFieldName('function')?.childForFieldName('object')
    return args.length <= 1 && /\.(decode|encode|strip)$/.test(node.childForFieldName('function')?.text ?? '') && on
      ? constantOf(on, names)
      : undefined
  }
  if (/^(base64\.(b64decode|urlsafe_b64decode|standard_b64decode))$/.test(name))
    return Buffer.from(first, 'base64').toString('utf8')
  if (/^(bytes\.fromhex|binascii\.unhexlify)$/.test(name))
    return Buffer.from(first.replace(/\s/g, ''), 'hex').toString('utf8')
  if (/^os\.path\.expanduser$|^(pathlib\.)?Path$|^str$/.test(name)) return first
  if (/^os\.path\.join$/.test(name)) return values!.join('/')
  if (/\.(decode|encode)$/.test(name))
    return constantOf(node.childForFieldName('function')!.childForFieldName('object')!, names)
  return undefined
}

function interpolated(node: Node, names: Names): string | undefined {
  let text = ''
  for (const child of node.namedChildren) {
    if (child.type === 'string_content') text += child.text
    else if (child.type === 'interpolation')
      text += (child.namedChildren[0] && constantOf(child.namedChildren[0], names)) ?? unknown
  }
  return text
}

function all(nodes: readonly Node[], names: Names): string[] | undefined {
  const values = nodes.map((node) => constantOf(node, names))
  return values.every((value) => value !== undefined) ? (values as string[]) : undefined
}

function listOf(node: Node | undefined, names: Names): string[] | undefined {
  if (node?.type !== 'list' && node?.type !== 'tuple') return undefined
  return node.namedChildren.map((child) => constantOf(child, names) ?? unknown)
}

/** `os.execvp('sh', ['sh', '-c', …])` and `os.execl('/bin/sh', 'sh', '-c', …)`. */
function wordsOfArgs(args: readonly Node[], names: Names): string[] | undefined {
  const list = args.map((arg) => listOf(arg, names)).find((found) => found !== undefined)
  if (list) return list
  const words = args.filter(({ type }) => type !== 'keyword_argument').map((arg) => constantOf(arg, names) ?? unknown)
  return words.length > 1 ? words.slice(1) : words
}

/** The names of all calls in a part of the code. */
function callsOf(node: Node, names: Names): string[] {
  return node.descendantsOfType('call').flatMap((call) => (call ? [calleeOf(call, names)] : []))
}

function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|\n|(.))/gi, (_, x?: string, u?: string, one?: string) =>
    x || u ? String.fromCharCode(Number.parseInt(x ?? u!, 16)) : one === 'n' ? '\n' : one === 't' ? '\t' : (one ?? ''),
  )
}
