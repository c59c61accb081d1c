const shapes = /\b(?:sk|pk|rk|gsk|xai|r8|hf|nvapi)[-_][\w*.-]{6,}|\bAIza[\w-]{20,}|\bBearer\s+[\w.~+/=*-]{6,}/g
/** The first part of a token in three parts, which ends with the dot. */
const tokenHead = /\beyJ[\w-]{10,}$/
const shortest = 6

/** `text` without the values of `secrets`, and without what looks like a key: vendors repeat it in their errors. */
export function redact(text: string, secrets: readonly string[]): string {
  return withoutTokens(withoutSecrets(text, secrets).replace(shapes, '[redacted]'))
}

/** `text` without the values of `secrets` alone: what remains is verbatim. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) if (secret.length >= shortest) clean = clean.replaceAll(secret, '[redacted]')
  return clean
}

/** `text` without tokens such as `eyJ….….…`. Part by part: one expression for all three would go back over many heads without an end. */
function withoutTokens(text: string): string {
  if (!text.includes('eyJ')) return text
  return text.replace(/[\w.-]+/g, (word) => {
    if (!word.includes('eyJ')) return word
    const parts = word.split('.')
    const kept: string[] = []
    for (let index = 0; index < parts.length; index++) {
      const part = parts[index]!
      const start = parts[index + 1] && parts[index + 2] !== undefined ? part.search(tokenHead) : -1
      kept.push(start < 0 ? part : `${part.slice(0, start)}[redacted]`)
      if (start >= 0) index += 2
    }
    return kept.join('.')
  })
}
