/** Longest that variables may make a value. */
const longest = 128 * 1024
const deepest = 20

/**
 * Puts the values of variables into a word and takes its quotes away, as Docker does: `$NAME`, `${NAME}`, with `:-`, `-`,
 * `:+`, `+`, `:?` and `?`. What has no value is empty. Throws, as the end of a sentence.
 */
export function expand(word: string, lookUp: (name: string) => string | undefined, escapeLetter = '\\'): string {
  return new Expansion(word, lookUp, escapeLetter).all(0)
}

class Expansion {
  readonly #text: string
  readonly #lookUp: (name: string) => string | undefined
  readonly #escapeLetter: string
  #at = 0

  constructor(text: string, lookUp: (name: string) => string | undefined, escapeLetter: string) {
    this.#text = text
    this.#lookUp = lookUp
    this.#escapeLetter = escapeLetter
  }

  all(depth: number): string {
    let result = ''
    while (this.#at < this.#text.length) {
      const letter = this.#text[this.#at]!
      if (depth > 0 && letter === '}') break
      result += this.#next(letter, depth)
      if (result.length > longest) throw new Error(`becomes longer than ${longest} bytes by its variables`)
    }
    return result
  }

  #next(letter: string, depth: number): string {
    if (letter === "'") return this.#single()
    if (letter === '"') return this.#double(depth)
    if (letter === '$') return this.#variable(depth)
    this.#at++
    if (letter !== this.#escapeLetter) return letter
    return this.#text[this.#at++] ?? letter
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at + 1)
    if (end < 0) throw new Error("has a ' without its end")
    const inner = this.#text.slice(this.#at + 1, end)
    this.#at = end + 1
    return inner
  }

  #double(depth: number): string {
    let result = ''
    this.#at++
    for (;;) {
      const letter = this.#text[this.#at]
      if (letter === undefined) throw new Error('has a " without its end')
      if (letter === '"') break
      if (letter === '$') {
        result += this.#variable(depth)
      } else if (letter === this.#escapeLetter && /["$]/.test(this.#text[this.#at + 1] ?? '')) {
        result += this.#text[this.#at + 1]
        this.#at += 2
      } else if (letter === this.#escapeLetter && this.#text[this.#at + 1] === this.#escapeLetter) {
        result += letter
        this.#at += 2
      } else {
        result += letter
        this.#at++
      }
    }
    this.#at++
    return result
  }

  #variable(depth: number): string {
    this.#at++
    if (this.#text[this.#at] === '{') return this.#braced(depth)
    const name = /^(?:[A-Za-z_]\w*|\d)/.exec(this.#text.slice(this.#at, this.#at + 200))?.[0]
    if (!name) return '$'
    this.#at += name.length
    return this.#lookUp(name) ?? ''
  }

  #braced(depth: number): string {
    if (depth >= deepest) throw new Error(`has variables in variables, more than ${deepest} deep`)
    this.#at++
    const name = /^[A-Za-z_]\w*/.exec(this.#text.slice(this.#at))?.[0]
    if (!name) throw new Error('has ${ without the name of a variable')
    this.#at += name.length
    const value = this.#lookUp(name)
    const operator = /^(?::?[-+?]|\})/.exec(this.#text.slice(this.#at))?.[0]
    if (!operator) {
      const ending = this.#at >= this.#text.length ? 'no } at its end' : `an operator that is not supported`
      throw new Error(`has \${${name} with ${ending}`)
    }
    this.#at += operator.length
    if (operator === '}') return value ?? ''
    const other = this.all(depth + 1)
    if (this.#text[this.#at] !== '}') throw new Error(`has \${${name} with no } at its end`)
    this.#at++
    const isSet = operator.startsWith(':') ? value !== undefined && value !== '' : value !== undefined
    if (operator.endsWith('+')) return isSet ? other : ''
    if (isSet) return value!
    if (operator.endsWith('?')) throw new Error(`needs a value for ${name}${other ? `: ${other}` : ''}`)
    return other
  }
}
