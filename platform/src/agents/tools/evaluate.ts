/** A fraction, or a number where it cannot be one. */
type Value = { n: bigint; d: bigint } | number

/** No number grows longer than this, so that no expression takes long. */
const mostBits = 4096
const tooLarge = 2n ** BigInt(mostBits)
const shownDigits = 30

/**
 * The value of an expression as text: exact where it is a fraction with a short decimal, else with 30 digits. Throws, saying where,
 * for what is no expression, for a division by zero and for numbers that become too large.
 */
export function evaluate(expression: string): string {
  const parser = new Parser(expression)
  return show(parser.whole())
}

const functions: Record<string, (...values: number[]) => number> = {
  sqrt: Math.sqrt,
  ln: Math.log,
  log: Math.log10,
  exp: Math.exp,
  sin: Math.sin,
  cos: Math.cos,
  tan: Math.tan,
}
const exact: Record<string, (values: Value[]) => Value> = {
  abs: ([value]) => (compare(value!, zero) < 0 ? negate(value!) : value!),
  floor: ([value]) => floor(value!),
  ceil: ([value]) => negate(floor(negate(value!))),
  round: ([value]) => floor(add(value!, { n: 1n, d: 2n })),
  min: (values) => values.reduce((a, b) => (compare(a, b) <= 0 ? a : b)),
  max: (values) => values.reduce((a, b) => (compare(a, b) >= 0 ? a : b)),
}
const constants: Record<string, number> = { pi: Math.PI, e: Math.E }
const spelled = new Map([
  ['**', '^'],
  ['×', '*'],
  ['÷', '/'],
  ['−', '-'],
])
const zero: Value = { n: 0n, d: 1n }
const mostDepth = 200

class Parser {
  readonly #tokens: { text: string; at: number }[] = []
  #next = 0
  #depth = 0

  constructor(expression: string) {
    const pattern =
      /\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d{1,4})?|\.\d+(?:[eE][+-]?\d{1,4})?|[A-Za-z]+|\*\*|[-+*/%^(),×÷−])|(\S))/gy
    for (let found = pattern.exec(expression); found; found = pattern.exec(expression)) {
      const { 1: known, 2: unknown, index } = found
      if (unknown !== undefined) throw new Error(`"${unknown}" at character ${index + 1} is not part of an expression`)
      this.#tokens.push({ text: spelled.get(known!) ?? known!, at: index })
    }
  }

  whole(): Value {
    if (this.#tokens.length === 0) throw new Error('the expression is empty')
    const value = this.#sum()
    const rest = this.#tokens[this.#next]
    if (rest) throw new Error(`"${rest.text}" at character ${rest.at + 1} was not expected`)
    return value
  }

  #sum(): Value {
    let value = this.#product()
    for (;;) {
      if (this.#take('+')) value = add(value, this.#product())
      else if (this.#take('-')) value = add(value, negate(this.#product()))
      else return value
    }
  }

  #product(): Value {
    let value = this.#signed()
    for (;;) {
      if (this.#take('*')) value = multiply(value, this.#signed())
      else if (this.#take('/')) value = divide(value, this.#signed())
      else if (this.#take('%')) {
        const by = this.#signed()
        value = add(value, negate(multiply(by, floor(divide(value, by)))))
      } else return value
    }
  }

  #signed(): Value {
    if (++this.#depth > mostDepth) throw new Error('the expression is nested too deeply')
    try {
      if (this.#take('-')) return negate(this.#signed())
      if (this.#take('+')) return this.#signed()
      const base = this.#atom()
      // To the right first: 2^3^2 is 2^9.
      return this.#take('^') ? power(base, this.#signed()) : base
    } finally {
      this.#depth--
    }
  }

  #atom(): Value {
    const token = this.#tokens[this.#next++]
    if (!token) throw new Error('the expression ends too early')
    if (/^[\d.]/.test(token.text)) return parseNumber(token.text)
    if (token.text === '(') {
      const value = this.#sum()
      this.#expect(')')
      return value
    }
    const name = token.text.toLowerCase()
    if (Object.hasOwn(constants, name)) return constants[name]!
    if (!Object.hasOwn(functions, name) && !Object.hasOwn(exact, name))
      throw new Error(`"${token.text}" at character ${token.at + 1} is neither a number nor a known function`)
    this.#expect('(')
    const values = [this.#sum()]
    while (this.#take(',')) values.push(this.#sum())
    this.#expect(')')
    return exact[name]?.(values) ?? finite(functions[name]!(...values.map(toNumber)))
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#next]?.text !== text) return false
    this.#next++
    return true
  }

  #expect(text: string): void {
    const found = this.#tokens[this.#next]
    if (!this.#take(text))
      throw new Error(
        `"${text}" is missing${found ? ` before "${found.text}" at character ${found.at + 1}` : ' at the end'}`,
      )
  }
}

function parseNumber(text: string): Value {
  if (/^\d{1,15}$/.test(text)) return { n: BigInt(text), d: 1n }
  const [, whole = '', fraction = '', exponent = '0'] = /^(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text)!
  const places = fraction.length - Number(exponent)
  if (Math.abs(places) > mostBits / 4) throw new Error(`${text} is too long a number`)
  const digits = BigInt(whole + fraction || '0')
  return places >= 0 ? fractionOf(digits, 10n ** BigInt(places)) : fractionOf(digits * 10n ** BigInt(-places), 1n)
}

function fractionOf(n: bigint, d: bigint): Value {
  if (d === 0n) throw new Error('a division by zero')
  const divisor = d === 1n ? 1n : gcd(n < 0n ? -n : n, d < 0n ? -d : d)
  const sign = d < 0n ? -1n : 1n
  const [top, bottom] = [(sign * n) / divisor, (sign * d) / divisor]
  if (top >= tooLarge || top <= -tooLarge || bottom >= tooLarge) throw new Error('a number becomes too large')
  return { n: top, d: bottom }
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y > 0n) [x, y] = [y, x % y]
  return x === 0n ? 1n : x
}

function add(a: Value, b: Value): Value {
  if (typeof a === 'number' || typeof b === 'number') return finite(toNumber(a) + toNumber(b))
  return fractionOf(a.n * b.d + b.n * a.d, a.d * b.d)
}

function multiply(a: Value, b: Value): Value {
  if (typeof a === 'number' || typeof b === 'number') return finite(toNumber(a) * toNumber(b))
  return fractionOf(a.n * b.n, a.d * b.d)
}

function divide(a: Value, b: Value): Value {
  if (compare(b, zero) === 0) throw new Error('a division by zero')
  if (typeof a === 'number' || typeof b === 'number') return finite(toNumber(a) / toNumber(b))
  return fractionOf(a.n * b.d, a.d * b.n)
}

function negate(a: Value): Value {
  return typeof a === 'number' ? -a : { n: -a.n, d: a.d }
}

function floor(a: Value): Value {
  if (typeof a === 'number') return Math.floor(a)
  const cut = a.n / a.d
  return { n: a.n < 0n && cut * a.d !== a.n ? cut - 1n : cut, d: 1n }
}

function power(base: Value, exponent: Value): Value {
  if (typeof base === 'number' || typeof exponent === 'number' || exponent.d !== 1n)
    return finite(toNumber(base) ** toNumber(exponent))
  const size = Math.max(base.n.toString(2).length, base.d.toString(2).length)
  const times = exponent.n < 0n ? -exponent.n : exponent.n
  // Nothing, one and minus one stay as small as they are.
  const staysSmall = base.d === 1n && base.n >= -1n && base.n <= 1n
  if (!staysSmall && times * BigInt(size) > BigInt(mostBits)) throw new Error('a number becomes too large')
  const raised = times > BigInt(mostBits) ? (times % 2n) + 2n : times
  if (exponent.n >= 0n) return fractionOf(base.n ** raised, base.d ** raised)
  return fractionOf(base.d ** raised, base.n ** raised)
}

function compare(a: Value, b: Value): number {
  if (typeof a === 'number' || typeof b === 'number') return toNumber(a) - toNumber(b)
  const difference = a.n * b.d - b.n * a.d
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}

function toNumber(value: Value): number {
  if (typeof value === 'number') return value
  // Of what is too long for a number the leading bits are enough.
  const excess = Math.max(value.n.toString(2).length, value.d.toString(2).length) - 1000
  const shift = BigInt(Math.max(0, excess))
  const bottom = Number(value.d >> shift)
  return bottom === 0 ? finite(Number.POSITIVE_INFINITY) : Number(value.n >> shift) / bottom
}

function finite(value: number): number {
  if (Number.isNaN(value)) throw new Error('the result is no real number')
  if (!Number.isFinite(value)) throw new Error('a number becomes too large')
  return value
}

function show(value: Value): string {
  if (typeof value === 'number') return String(value)
  const { n, d } = value
  if (d === 1n) return String(n)
  const scale = 10n ** BigInt(shownDigits)
  const scaled = (n < 0n ? -n : n) * scale
  const isExact = scaled % d === 0n
  const digits = ((scaled + (isExact ? 0n : d / 2n)) / d).toString().padStart(shownDigits + 1, '0')
  const fraction = digits.slice(-shownDigits).replace(/0+$/, '')
  const text = `${n < 0n ? '-' : ''}${digits.slice(0, -shownDigits)}${fraction && `.${fraction}`}`
  return isExact ? text : `${text} (rounded; exactly ${n}/${d})`
}
