import { redact } from '../../models/wire/redact.ts'

/** Lines such as `AWS_SECRET_ACCESS_KEY=…` of an environment. What the name says is asked apart: in one, it would go back and forth. */
const line = /^((?:export )?([A-Z0-9_]+)=)\S.*$/gim
const secretName = /PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY/i
/** Fields such as `"password": "…"`. */
const field =
  /((["'])(?:password|passwd|secret|client_?secret|api[_-]?key|x-api-key|(?:access|refresh|auth|id)_?token|secret_?(?:access_?)?key|private_?key)\2\s*:\s*)(["'])[^"'\n]{4,}\3/gi
/** Environments as programs show them: `'GITHUB_TOKEN': '…'`, `declare -x TOKEN="…"`. From the telling word on, or it would go back and forth. */
const variable =
  /((?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY)(?!S\b)[A-Z0-9_]{0,32}["']?\s{0,8}[:=]\s{0,8})(["'])[^"'\n]{4,}\2/g
/** `scheme://name:password@host`. */
const userinfo = /(:\/\/[^\s:@/"'<>]{0,256}:)[^\s:@/"'<>]{1,512}@/g
const authorization =
  /(\bauthorization["']?\s{0,8}[:=]\s{0,8}["']?(?:basic|bearer|token|apikey)\s{1,8})[\w.~+/=-]{6,}/gi
const shapes =
  /-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|$)|\bgh[pousr]_\w{20,}|\bglpat-[\w-]{16,}|\bnpm_\w{30,}|\bwhsec_\w{16,}|\bGOCSPX-[\w-]{16,}|\bya29\.[\w-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}|\bgithub_pat_\w{20,}|\bAKIA[0-9A-Z]{16}\b|\bxox[abprs]-[\w-]{10,}|\bwrn_\w{16,}/g
/** Quick to ask of a whole entry: what it does not find, none of the above finds. */
const suspicious =
  /PRIVATE KEY|\bgh[pousr]_|github_pat_|glpat-|npm_|whsec_|GOCSPX-|ya29\.|SG\.|AKIA|xox[abprs]-|wrn_|\b(?:sk|pk|rk|gsk|xai|r8|hf|nvapi)[-_]|AIza|Bearer\s|eyJ/
const unstorable = /\\u0000|\\ud[89a-f]/i

/** Takes secrets out of everything that is written down or shown to a model. One for each run. */
export class Redactor {
  #values: readonly string[] = []
  /** As they stand in JSON. */
  #inJson: readonly string[] = []

  /** `values`: secrets that are known, such as the keys of models. */
  constructor(values: readonly string[]) {
    this.know(values)
  }

  /** Secrets that are known from now on. */
  know(values: readonly string[]): void {
    const added = values.filter((value) => value.length >= 6 && !this.#values.includes(value))
    this.#values = [...this.#values, ...added]
    this.#inJson = this.#values.map((value) => JSON.stringify(value).slice(1, -1))
  }

  /** Text that a tool answers: also what is named like a secret. */
  result(text: string): string {
    const unnamed = text
      .replace(line, (all, start: string, name: string) => (secretName.test(name) ? `${start}[redacted]` : all))
      .replace(field, '$1$3[redacted]$3')
      .replace(variable, '$1$2[redacted]$2')
      .replace(userinfo, '$1[redacted]@')
      .replace(authorization, '$1[redacted]')
    return this.text(unnamed)
  }

  text(text: string): string {
    return redact(text, this.#values).replace(shapes, '[redacted]').replaceAll('\0', '\uFFFD').toWellFormed()
  }

  /** `value` without secrets and without what a database cannot keep. Mostly it is `value` itself. */
  clean<T>(value: T): T {
    return this.cleaned(value).value
  }

  /** The same, with its JSON. */
  cleaned<T>(value: T): { value: T; json: string } {
    const json = JSON.stringify(value)
    const hit = suspicious.test(json) || unstorable.test(json) || this.#inJson.some((secret) => json.includes(secret))
    if (!hit) return { value, json }
    const clean = this.#walk(value) as T
    return { value: clean, json: JSON.stringify(clean) }
  }

  #walk(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value)
    if (Array.isArray(value)) return value.map((item) => this.#walk(item))
    if (typeof value !== 'object' || value === null) return value
    // Proofs of vendors are worth something only as they are.
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [
        name,
        name === 'signature' || name === 'extra' ? item : this.#walk(item),
      ]),
    )
  }
}
