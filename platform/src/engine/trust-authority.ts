import { buffer } from 'node:stream/consumers'
import { WarrenError } from '../errors.ts'
import { step } from '../lib/step.ts'
import type { GuestFiles } from './guest/files.ts'

/** Where the certificate of our authority lies inside, alone and together with those that the sandbox trusts anyway. */
const authorityPath = '/run/warren/egress-ca.pem'
const bundlePath = '/run/warren/ca-bundle.pem'

/** Where systems keep whom they trust. */
const systemBundles = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem']
const mostBundleBytes = 4 * 1024 * 1024

/** By these programs find the bundle, whatever they are written in. */
export const trustVariables: Record<string, string> = {
  SSL_CERT_FILE: bundlePath,
  REQUESTS_CA_BUNDLE: bundlePath,
  CURL_CA_BUNDLE: bundlePath,
  GIT_SSL_CAINFO: bundlePath,
  AWS_CA_BUNDLE: bundlePath,
  PIP_CERT: bundlePath,
  CARGO_HTTP_CAINFO: bundlePath,
  DENO_CERT: authorityPath,
  NODE_EXTRA_CA_CERTS: authorityPath,
}

/**
 * Lets what runs in a sandbox trust `certificate`, an authority: puts it in files that the variables name, and, where the system's
 * own bundle can be written to, in there.
 */
export async function trustAuthority(files: GuestFiles, certificate: string): Promise<void> {
  const system = await systemBundle(files)
  const bundle = system?.text.includes(certificate) ? system.text : `${system?.text ?? ''}\n${certificate}`
  const options = { asAgent: true, parents: true, atomic: true }
  await step('agent.trust', authorityPath, async () => {
    try {
      await files.write(authorityPath, Buffer.from(certificate), options)
      await files.write(bundlePath, Buffer.from(bundle), options)
    } catch (cause) {
      const reason = (cause as Error).message
      throw new WarrenError('conflict', `the sandbox cannot be given the certificate it needs: ${reason}`, { cause })
    }
    // In most templates it is the host's, for reading alone.
    if (system && bundle !== system.text)
      await files.write(system.path, Buffer.from(bundle), { asAgent: true }).catch(() => {})
  })
}

async function systemBundle(files: GuestFiles): Promise<{ path: string; text: string } | undefined> {
  for (const path of systemBundles) {
    const found = await files.read(path, { asAgent: true, length: mostBundleBytes }).catch(() => undefined)
    if (found?.stat.type === 'file') return { path, text: String(await buffer(found.stream)) }
    found?.stream.destroy()
  }
  return undefined
}
