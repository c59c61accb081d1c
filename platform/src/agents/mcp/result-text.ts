import type { CallToolResult } from '@modelcontextprotocol/client'
import { imageOf, mostImages, type NewImage } from '../images/image.ts'
import type { ToolResult } from '../tools/tool.ts'

/** What a model reads and sees of a result: its text, or else its fields, and its images; of all else, that it was there. */
export function resultText({ content = [], structuredContent, isError }: CallToolResult): ToolResult {
  const images: NewImage[] = []
  const parts = content.map((part) => {
    switch (part.type) {
      case 'text':
        return part.text
      case 'image':
      case 'audio': {
        const image = part.type === 'image' && images.length < mostImages ? imageOf(part.data) : undefined
        if (image) images.push(image)
        return `[${part.type}, ${part.mimeType}, ${Math.floor((part.data.length * 3) / 4)} bytes]`
      }
      case 'resource':
        return 'text' in part.resource ? part.resource.text : `[resource ${part.resource.uri}]`
      case 'resource_link':
        return `[resource ${part.uri}${part.description ? `: ${part.description}` : ''}]`
      default:
        return '[of an unknown kind]'
    }
  })
  const text = parts.join('\n') || (structuredContent === undefined ? '' : JSON.stringify(structuredContent))
  return { text: text || 'It answers nothing.', ...(isError && { isError }), ...(images.length > 0 && { images }) }
}
