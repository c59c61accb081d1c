import type { Wire } from '../../wire/wire.ts'
import { readResponsesRequest } from './read-request.ts'
import { responsesReader } from './read-response.ts'
import { writeResponsesRequest } from './write-request.ts'

/** OpenAI's Responses. */
export const openaiResponses: Wire = {
  api: 'openai-responses',
  defaultBaseUrl: 'https://api.openai.com/v1',
  url: (baseUrl) => `${baseUrl}/responses`,
  headers: (key): Record<string, string> => (key ? { authorization: `Bearer ${key}` } : {}),
  writeRequest: writeResponsesRequest,
  readRequest: readResponsesRequest,
  newReader: responsesReader,
}
