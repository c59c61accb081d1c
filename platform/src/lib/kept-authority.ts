import { X509Certificate } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { type Certified, mintAuthority } from './certificate.ts'
import { keptSecret } from './kept-secret.ts'
import { step } from './step.ts'

/**
 * The authority that is kept at `<path>.key` (its key and certificate, mode 0600), minted at first. `<path>.pem` has the
 * certificate alone, for those who shall trust it. Throws when the file holds something else.
 */
export async function keptAuthority(
  path: string,
  { name, within }: { name: string; within?: string },
): Promise<Certified> {
  const text = await keptSecret(`${path}.key`, () => {
    const { certificate, key } = mintAuthority(name, { ...(within ? { within } : {}), now: new Date() })
    return `${certificate}${key}`
  })
  const end = text.indexOf('-----BEGIN PRIVATE KEY-----')
  const authority = { certificate: text.slice(0, end), key: text.slice(end) }
  new X509Certificate(authority.certificate)
  await keepText(`${path}.pem`, authority.certificate)
  return authority
}

/** Has `text` in the file at `path`, which others may read. A draft that a crash left is written over by the next start. */
export async function keepText(path: string, text: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => undefined)) === text) return
  await step('text.keep', path, async () => {
    await writeFile(`${path}.tmp`, text, { mode: 0o644, flush: true })
    await rename(`${path}.tmp`, path)
  })
}
