import { parse } from './acorn.mjs'

/**
 * A piece of code as a script for the global scope: what it defines at the top stays, may be defined again by the next
 * piece, and `await` and `import` work there. Throws SyntaxError.
 */
export function prepare(code, stripTypes) {
  const { source, tree } = parsed(code, stripTypes)
  const edits = new Edits(source)
  const asynchronous = awaits(tree)
  const names = new Set()
  const outside = []
  const last = tree.body.at(-1)
  const isValue = last?.type === 'ExpressionStatement' && last.directive === undefined

  for (const node of tree.body) topLevel(node)
  walk(tree, { everywhere: true }, (node) => {
    if (node.type === 'ImportExpression') edits.replace(node.start, node.start + 'import'.length, '__warrenImport')
  })
  if (asynchronous && isValue) {
    edits.insert(last.start, 'return [')
    edits.insert(expressionEnd(last), ']')
  }
  if (!asynchronous) return { source: edits.text(), asynchronous, isValue }
  const declared = [...names].map((name) => `var ${name};`).join('')
  return { source: `${declared}${outside.join('\n')}\n(async () => {${edits.text()}\n})()`, asynchronous, isValue }

  function topLevel(node) {
    switch (node.type) {
      case 'VariableDeclaration':
        for (const { id } of node.declarations) for (const name of bound(id)) names.add(name)
        if (asynchronous) assign(node)
        else if (node.kind !== 'var') edits.replace(node.start, node.start + node.kind.length, 'var')
        break
      case 'ClassDeclaration':
        names.add(node.id.name)
        edits.insert(node.start, `${asynchronous ? '' : 'var '}${node.id.name} = `)
        edits.insert(node.end, ';')
        break
      case 'FunctionDeclaration':
        // Out of the wrapper: all that it could name there is global.
        if (asynchronous) {
          outside.push(source.slice(node.start, node.end))
          edits.replace(node.start, node.end, '')
        }
        break
      case 'ImportDeclaration':
        edits.replace(node.start, node.end, importOf(node, names))
        break
      case 'ExportNamedDeclaration':
      case 'ExportDefaultDeclaration':
        if (!node.declaration) edits.replace(node.start, node.end, '')
        else {
          edits.replace(node.start, node.declaration.start, '')
          if (node.type === 'ExportNamedDeclaration') topLevel(node.declaration)
        }
        break
      default:
        // A `var` inside of blocks belongs to the whole, too.
        if (asynchronous)
          walk(node, { everywhere: false }, (inner, parent) => {
            if (inner.type !== 'VariableDeclaration' || inner.kind !== 'var') return
            for (const { id } of inner.declarations) for (const name of bound(id)) names.add(name)
            assign(inner, parent)
          })
    }
  }

  /** `const a = 1, { b } = c` becomes `(a = 1), ({ b } = c);` */
  function assign(node, parent) {
    const inLoop = parent && /^For/.test(parent.type) && (parent.init === node || parent.left === node)
    edits.replace(node.start, node.declarations[0].start, '')
    for (const { id, init, start, end } of node.declarations) {
      if (inLoop && parent.left === node) continue
      edits.insert(start, '(')
      edits.insert(end, init ? ')' : ` = ${parent ? id.name : 'undefined'})`)
    }
    if (!inLoop) edits.insert(node.start, ';')
  }

  function expressionEnd(statement) {
    return source[statement.end - 1] === ';' ? statement.end - 1 : statement.end
  }
}

const options = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  allowAwaitOutsideFunction: true,
  allowImportExportEverywhere: true,
  allowHashBang: true,
}

/** What begins with a brace is an object rather than a block, where it can be. What is no JavaScript may be TypeScript. */
function parsed(code, stripTypes) {
  const candidates = /^\s*\{/.test(code) ? [`(${code.replace(/;\s*$/, '')})`, code] : [code]
  let failure
  for (const source of candidates) {
    try {
      return { source, tree: parse(source, options) }
    } catch (error) {
      failure = error
    }
  }
  if (!stripTypes) throw new SyntaxError(failure.message)
  let plain
  try {
    plain = stripTypes(code)
  } catch {
    throw new SyntaxError(failure.message)
  }
  return parsed(plain)
}

class Edits {
  #source
  #edits = []

  constructor(source) {
    this.#source = source
  }

  insert(at, text) {
    this.#edits.push({ start: at, end: at, text, order: this.#edits.length })
  }

  replace(start, end, text) {
    this.#edits.push({ start, end, text, order: this.#edits.length })
  }

  text() {
    let text = ''
    let at = 0
    for (const edit of this.#edits.sort((a, b) => a.start - b.start || a.end - b.end || a.order - b.order)) {
      if (edit.start < at) continue
      text += this.#source.slice(at, edit.start) + edit.text
      at = edit.end
    }
    return text + this.#source.slice(at)
  }
}

function* bound(pattern) {
  if (!pattern) return
  if (pattern.type === 'Identifier') yield pattern.name
  else if (pattern.type === 'ObjectPattern') for (const inner of pattern.properties) yield* bound(inner.value ?? inner)
  else if (pattern.type === 'ArrayPattern') for (const inner of pattern.elements) yield* bound(inner)
  else yield* bound(pattern.left ?? pattern.argument)
}

function importOf({ specifiers, source }, names) {
  const loaded = `await __warrenImport(${source.raw})`
  if (specifiers.length === 0) return `${loaded};`
  const parts = specifiers.map(({ type, imported, local }) => {
    names.add(local.name)
    if (type === 'ImportNamespaceSpecifier') return `${local.name} = __warrenModule`
    const name = type === 'ImportDefaultSpecifier' ? 'default' : (imported.name ?? imported.value)
    return `${local.name} = __warrenMember(__warrenModule, ${JSON.stringify(name)}, ${source.raw})`
  })
  return `{ const __warrenModule = ${loaded}; ${parts.join('; ')} };`
}

/** Whether something at the top has to be waited for. */
function awaits(tree) {
  let found = false
  walk(tree, { everywhere: false }, ({ type, await: waits }) => {
    found ||= type === 'AwaitExpression' || type === 'ImportDeclaration' || (type === 'ForOfStatement' && waits)
  })
  return found
}

const scopes = new Set([
  ...['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'],
  ...['PropertyDefinition', 'StaticBlock'],
])

/** Every node, unless `everywhere` without those that belong to a function. */
function walk(root, { everywhere }, visit) {
  const pending = [[root, undefined]]
  while (pending.length > 0) {
    const [node, parent] = pending.pop()
    visit(node, parent)
    for (const inner of Object.values(node)) {
      for (const child of Array.isArray(inner) ? inner : [inner]) {
        if (typeof child?.type !== 'string') continue
        if (everywhere || !scopes.has(child.type)) pending.push([child, node])
      }
    }
  }
}
