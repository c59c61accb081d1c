const shapes =
  /\b(?:sk|pk|rk|gsk|xai|r8|hf|nvapi)[-_][\w*.-]{6,}|\bAIza[\w-]{20,}|\bBearer\s+[\w.~+/=*-]{6,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]*/g
const shortest = 6

/** `text` without the values of `secrets`, and without what looks like a key: vendors repeat it in their errors. */
export function redact(text: string, secrets: readonly string[]): string {
  return withoutSecrets(text, secrets).replace(shapes, '[redacted]')
}

/** `text` without the values of `secrets` alone: what remains is verbatim. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) if (secret.length >= shortest) clean = clean.replaceAll(secret, '[redacted]')
  return clean
}
