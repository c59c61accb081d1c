import type { Wire } from '../../wire/wire.ts'
import { readAnthropicRequest } from './read-request.ts'
import { anthropicReader } from './read-response.ts'
import { writeAnthropicRequest } from './write-request.ts'

/** Anthropic's Messages. */
export const anthropic: Wire = {
  api: 'anthropic',
  defaultBaseUrl: 'https://api.anthropic.com',
  url: (baseUrl) => `${baseUrl}/v1/messages`,
  headers: (key) => ({ 'anthropic-version': '2023-06-01', ...(key && { 'x-api-key': key }) }),
  writeRequest: writeAnthropicRequest,
  readRequest: readAnthropicRequest,
  newReader: anthropicReader,
}
