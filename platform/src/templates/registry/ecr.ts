import { createHash, createHmac } from 'node:crypto'
import { WarrenError } from '../../errors.ts'
import type { RegistryReach } from './reach.ts'
import { readBody, request } from './request.ts'

interface AwsKey {
  awsAccessKeyId: string
  awsSecretAccessKey: string
  awsRegion: string
}

const target = 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken'

/** Asks AWS for what its registries take as name and password in HTTP's Basic scheme. */
export async function authorizeEcr(key: AwsKey, reach: RegistryReach, signal?: AbortSignal): Promise<string> {
  if (!/^[a-z]{2}(-[a-z]+)+-\d$/.test(key.awsRegion))
    throw new WarrenError('invalid_request', `awsRegion must be a region such as eu-central-1, not "${key.awsRegion}"`)
  const suffix = key.awsRegion.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
  const url = new URL(`https://api.ecr.${key.awsRegion}.${suffix}/`)
  const body = '{}'
  const headers = signAws(key, {
    service: 'ecr',
    method: 'POST',
    url,
    body,
    at: new Date(),
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
  })
  const { answer } = await request(reach, { url, method: 'POST', headers, body, signal })
  const text = (await readBody(answer, 1024 * 1024)).toString('utf8')
  if (answer.statusCode !== 200)
    throw new WarrenError('forbidden', `AWS does not take the access key ${key.awsAccessKeyId} in ${key.awsRegion}`)
  try {
    const { authorizationData } = JSON.parse(text) as { authorizationData: [{ authorizationToken: string }] }
    return authorizationData[0].authorizationToken
  } catch (cause) {
    throw new WarrenError('unavailable', 'AWS answered without a token', { cause })
  }
}

interface AwsRequest {
  service: string
  method: string
  url: URL
  headers: Record<string, string>
  body: string
  at: Date
}

/** The headers of a request with AWS Signature Version 4, as the AWS General Reference describes it. No query. */
export function signAws(
  { awsAccessKeyId, awsSecretAccessKey, awsRegion }: AwsKey,
  { service, method, url, headers, body, at }: AwsRequest,
): Record<string, string> {
  const time = at.toISOString().replace(/[-:]|\.\d{3}/g, '')
  const day = time.slice(0, 8)
  const all: Record<string, string> = { ...headers, host: url.host, 'x-amz-date': time }
  const names = Object.keys(all).sort()
  const signed = names.join(';')
  const lines = names.map((name) => `${name}:${all[name]!.trim()}\n`).join('')
  const canonical = [method, url.pathname, '', lines, signed, sha256(body)].join('\n')
  const scope = `${day}/${awsRegion}/${service}/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
  const steps = [day, awsRegion, service, 'aws4_request']
  const key = steps.reduce<Buffer | string>((secret, step) => hmac(secret, step), `AWS4${awsSecretAccessKey}`)
  const signature = hmac(key, toSign).toString('hex')
  const authorization = `AWS4-HMAC-SHA256 Credential=${awsAccessKeyId}/${scope}, SignedHeaders=${signed}, Signature=${signature}`
  return { ...all, authorization }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
