/**
 * Reads a page as text. It runs in a page, in a world of its own, and is given to it as the text of this function: it can use nothing
 * from outside. What it reads may be made to mislead it or to keep it busy, so it looks at so many nodes, and for so long, and no more.
 */
export function snapshot({ mostCharacters, mostElements, mostNodes, mostMs }) {
  const getter = (proto, name) => {
    const { get } = Object.getOwnPropertyDescriptor(proto, name)
    return (node) => get.call(node)
  }
  // A form has its fields as properties, whatever they are called.
  const [firstChild, nextSibling] = [getter(Node.prototype, 'firstChild'), getter(Node.prototype, 'nextSibling')]
  const [nodeType, textContent] = [getter(Node.prototype, 'nodeType'), getter(Node.prototype, 'textContent')]
  const [localName, shadowRoot] = [getter(Element.prototype, 'localName'), getter(Element.prototype, 'shadowRoot')]
  const attribute = (element, name) => Element.prototype.getAttribute.call(element, name)
  const isVisible = (element) => Element.prototype.checkVisibility.call(element, { visibilityProperty: true })
  const short = (text, most = 120) => {
    const line = String(text ?? '')
      .slice(0, most * 10)
      .replaceAll('\0', '')
      .replace(/\s+/g, ' ')
      .trim()
    return line.length > most ? `${line.slice(0, most)}…` : line
  }

  const skipped = new Set([
    'script',
    'style',
    'noscript',
    'template',
    'head',
    'meta',
    'link',
    'svg',
    'datalist',
    'object',
  ])
  const blocks = new Set(
    'address article aside blockquote body dd details dialog div dl dt fieldset figure figcaption footer form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody tfoot thead tr ul option video canvas iframe'.split(
      ' ',
    ),
  )
  const roles = new Set(
    'button checkbox combobox link menuitem menuitemcheckbox menuitemradio option radio searchbox slider spinbutton switch tab textbox treeitem'.split(
      ' ',
    ),
  )
  const inputRoles = {
    checkbox: 'checkbox',
    radio: 'radio',
    range: 'slider',
    number: 'spinbutton',
    search: 'searchbox',
  }
  const buttons = new Set(['button', 'submit', 'reset', 'image', 'file', 'color'])

  const roleOf = (element, name) => {
    const role = attribute(element, 'role')
    if (role && roles.has(role)) return role
    if (name === 'a') return attribute(element, 'href') === null ? undefined : 'link'
    if (name === 'button' || name === 'summary') return 'button'
    if (name === 'select') return 'combobox'
    if (name === 'textarea') return 'textbox'
    if (name === 'input') {
      const kind = element.type
      if (kind === 'hidden') return undefined
      return inputRoles[kind] ?? (buttons.has(kind) ? 'button' : 'textbox')
    }
    const editable = attribute(element, 'contenteditable')
    if (editable !== null && editable !== 'false') return 'textbox'
    if (attribute(element, 'onclick') !== null) return 'button'
    const focus = attribute(element, 'tabindex')
    return focus !== null && Number(focus) >= 0 ? 'focusable' : undefined
  }

  const isField = (name) => name === 'input' || name === 'select' || name === 'textarea'
  const nameOf = (element, name) => {
    const labelledBy = attribute(element, 'aria-labelledby')
    const others = labelledBy ? labelledBy.split(/\s+/, 8).map((id) => document.getElementById(id)) : []
    const told =
      short(others.map((one) => (one ? textContent(one) : '')).join(' ')) || short(attribute(element, 'aria-label'))
    if (told) return told
    if (isField(name)) {
      const labels = short([...(element.labels ?? [])].slice(0, 4).map(textContent).join(' '))
      const ofButton = buttons.has(element.type) ? short(element.value) || short(attribute(element, 'alt')) : ''
      const other = ['placeholder', 'title', 'name'].map((key) => short(attribute(element, key))).find(Boolean)
      return ofButton || labels || other || ''
    }
    const picture = Element.prototype.querySelector.call(element, 'img[alt], [aria-label], svg title')
    const ofPicture =
      picture &&
      (short(attribute(picture, 'alt')) || short(attribute(picture, 'aria-label')) || short(textContent(picture)))
    return short(textContent(element)) || short(attribute(element, 'title')) || ofPicture || ''
  }

  const out = []
  const elements = []
  const described = []
  let characters = 0
  let truncated = false
  const full = () => characters >= mostCharacters
  const put = (text) => {
    if (full()) {
      truncated = true
      return
    }
    const fits = text.slice(0, mostCharacters - characters)
    if (fits.length < text.length) truncated = true
    out.push(fits)
    characters += fits.length
  }

  const tell = (element, name, role) => {
    if (elements.length >= mostElements) {
      truncated = true
      return false
    }
    const one = { role, name: nameOf(element, name) }
    if (name === 'a') one.url = short(element.href, 500)
    if (isField(name)) {
      const secret = element.type === 'password'
      if (name === 'select') one.value = short(element.selectedOptions[0]?.label)
      else if (!secret && !buttons.has(element.type) && role !== 'checkbox' && role !== 'radio')
        one.value = short(element.value, 300)
      if (element.type === 'checkbox' || element.type === 'radio') one.checked = element.checked === true
      if (element.disabled === true) one.disabled = true
    } else if (name === 'button' && element.disabled === true) one.disabled = true
    const state = attribute(element, 'aria-checked')
    if (state !== null && one.checked === undefined) one.checked = state === 'true'
    const kind = name === 'input' && role === 'textbox' && element.type !== 'text' ? ` ${element.type}` : ''
    const marks = [
      one.value ? ` = "${one.value}"` : '',
      one.checked ? ' (checked)' : '',
      one.disabled ? ' (disabled)' : '',
      name === 'select'
        ? ` of ${[...element.options]
            .slice(0, 20)
            .map((option) => short(option.label, 40))
            .join(' | ')}`
        : '',
    ]
    put(`[\0${elements.length}\0 ${role}${kind}] ${one.name}${marks.join('')} `)
    elements.push(element)
    described.push(one)
    return true
  }

  const until = performance.now() + mostMs
  let looked = 0
  const overdue = () => ++looked > mostNodes || (looked % 64 === 0 && performance.now() > until)
  // A stack of what is still to be looked at, and of text to be put between: a page may be nested deeper than calls can be.
  const left = document.documentElement ? [document.documentElement] : []
  while (left.length > 0) {
    const next = left.pop()
    if (typeof next === 'string') {
      put(next)
      continue
    }
    if (full() || overdue()) {
      truncated = true
      break
    }
    // What follows is looked at after what is inside.
    const following = next !== document.documentElement && next.assignedSlot == null ? nextSibling(next) : null
    if (following && nodeType(next) !== 11) left.push(following)
    if (nodeType(next) === 3) {
      const text = textContent(next).slice(0, mostCharacters)
      const line = text.replaceAll('\0', '').replace(/\s+/g, ' ')
      if (line !== '') put(line)
      continue
    }
    if (nodeType(next) !== 1) {
      const inside = nodeType(next) === 11 || nodeType(next) === 9 ? firstChild(next) : null
      if (inside) left.push(inside)
      continue
    }
    const name = localName(next)
    if (skipped.has(name) || !isVisible(next)) {
      // What has no box of its own may have children that do.
      if (!skipped.has(name) && getComputedStyle(next).display === 'contents') {
        const inside = firstChild(next)
        if (inside) left.push(inside)
      }
      continue
    }
    if (name === 'br' || name === 'hr') {
      put('\n')
      continue
    }
    const isBlock = blocks.has(name)
    if (isBlock) {
      put('\n')
      left.push('\n')
    }
    const heading = /^h([1-6])$/.exec(name)
    if (heading) put(`${'#'.repeat(Number(heading[1]))} `)
    if (name === 'li') put('- ')
    if (name === 'td' || name === 'th') left.push(' | ')
    if (name === 'img') {
      const alt = short(attribute(next, 'alt'))
      if (alt) put(`(picture: ${alt}) `)
      continue
    }
    const role = roleOf(next, name)
    if (role && role !== 'focusable') {
      const told = tell(next, name, role)
      // What is in them is their name already; what can be clicked in a text field or a list is not.
      const isLeaf = isField(name) || ['link', 'button', 'checkbox', 'radio', 'switch', 'tab', 'option'].includes(role)
      if (told && isLeaf) continue
      if (isField(name)) continue
    }
    if (name === 'iframe' || name === 'frame') {
      const inside = next.contentDocument?.documentElement
      if (inside) left.push(inside)
      else put(`(frame: ${short(next.src, 300)})`)
      continue
    }
    const root = shadowRoot(next)
    if (name === 'slot') {
      const assigned = next.assignedNodes()
      for (let at = Math.min(assigned.length, 1000) - 1; at >= 0; at--) left.push(assigned[at])
      if (assigned.length > 0) continue
    }
    const inside = firstChild(root ?? next)
    if (inside) left.push(inside)
  }

  const text = out
    .join('')
    .replace(/[^\S\n]+/g, ' ')
    .replace(/ ?\n ?/g, '\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
  return { elements, told: JSON.stringify({ text, described, truncated }) }
}
