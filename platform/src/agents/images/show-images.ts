import type { ImagePart, InputPart, Message } from '../../models/message.ts'

/** The messages of a conversation with the images that they name in them, for a model to see. `load` answers base64. */
export async function showImages(
  messages: readonly Message[],
  load: (hash: string) => Promise<string | undefined>,
): Promise<Message[]> {
  const shown = async (part: ImagePart): Promise<InputPart> => {
    const data = part.stored === undefined ? undefined : await load(part.stored)
    if (data === undefined) return { type: 'text', text: '[an image that is not kept any more]' }
    const { stored: _, ...own } = part
    return { ...own, data }
  }
  const all: Message[] = []
  for (const message of messages) {
    const isPlain = message.role === 'system' || message.role === 'assistant'
    if (isPlain || !message.content.some(isStored)) {
      all.push(message)
      continue
    }
    const content: InputPart[] = []
    for (const part of message.content) content.push(isStored(part) ? await shown(part) : part)
    all.push({ ...message, content })
  }
  return all
}

function isStored(part: InputPart): part is ImagePart {
  return part.type === 'image' && part.stored !== undefined
}
