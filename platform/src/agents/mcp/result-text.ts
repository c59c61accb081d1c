import type { CallToolResult } from '@modelcontextprotocol/client'
import type { ToolResult } from '../tools/tool.ts'

/** What a model reads of a result: its text, or else its fields; of all that is no text, that it was there. */
export function resultText({ content = [], structuredContent, isError }: CallToolResult): ToolResult {
  const parts = content.map((part) => {
    switch (part.type) {
      case 'text':
        return part.text
      case 'image':
      case 'audio':
        return `[${part.type}, ${part.mimeType}, ${Math.floor((part.data.length * 3) / 4)} bytes]`
      case 'resource':
        return 'text' in part.resource ? part.resource.text : `[resource ${part.resource.uri}]`
      case 'resource_link':
        return `[resource ${part.uri}${part.description ? `: ${part.description}` : ''}]`
      default:
        return '[of an unknown kind]'
    }
  })
  const text = parts.join('\n') || (structuredContent === undefined ? '' : JSON.stringify(structuredContent))
  return { text: text || 'It answers nothing.', ...(isError && { isError }) }
}
