import type { Wire } from '../../wire/wire.ts'
import { readGeminiRequest } from './read-request.ts'
import { geminiReader } from './read-response.ts'
import { writeGeminiRequest } from './write-request.ts'

/** Google's Gemini. */
export const gemini: Wire = {
  api: 'gemini',
  defaultBaseUrl: 'https://generativelanguage.googleapis.com/v1beta',
  url: (baseUrl, model, stream) =>
    `${baseUrl}/models/${encodeURIComponent(model)}:${stream ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
  headers: (key): Record<string, string> => (key ? { 'x-goog-api-key': key } : {}),
  writeRequest: writeGeminiRequest,
  readRequest: readGeminiRequest,
  newReader: geminiReader,
}
