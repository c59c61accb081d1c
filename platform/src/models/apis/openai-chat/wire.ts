import type { Wire } from '../../wire/wire.ts'
import { readChatRequest } from './read-request.ts'
import { chatReader } from './read-response.ts'
import type { ChatVendor } from './vendors.ts'
import { writeChatRequest } from './write-request.ts'

/** OpenAI's Chat Completions, as `vendor` speaks it. */
export function openaiChat(vendor: ChatVendor): Wire {
  return {
    api: 'openai-chat',
    defaultBaseUrl: vendor.baseUrl,
    url: (baseUrl) => `${baseUrl}/chat/completions`,
    headers: (key): Record<string, string> => (key ? { authorization: `Bearer ${key}` } : {}),
    writeRequest: (request, to) => writeChatRequest(request, { ...to, vendor }),
    readRequest: readChatRequest,
    newReader: chatReader,
  }
}
