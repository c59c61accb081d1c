import { hash } from 'node:crypto'
import { type Static, Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import type { ImagePart } from '../../models/message.ts'

/** Of one message, and of one result of a tool. */
export const mostImages = 8
/** What the strictest vendor takes. */
const mostImageBytes = 5 * 1024 * 1024
/** Of the body of a request that has images in it. */
export const imagesBodyBytes = 16 * 1024 * 1024

/**
 * As it is given: its bytes. An address would be fetched by whoever serves the model, which for a model of one's own is a machine
 * inside the network.
 */
export const GivenImage = Type.Object(
  { data: Type.String({ minLength: 1, maxLength: 4 * Math.ceil(mostImageBytes / 3), description: 'Base64.' }) },
  { additionalProperties: false },
)
export const GivenImages = Type.Array(GivenImage, {
  maxItems: mostImages,
  description: `PNG, JPEG, GIF or WebP, at most 5 MiB each and ${imagesBodyBytes / 2 ** 20} MiB of request together.`,
})

/** As it is recorded: it is beside the journal, under the hash of its base64. */
export interface StoredImage {
  hash: string
  mediaType: string
  bytes: number
}

/** One that is to be stored. */
export interface NewImage extends StoredImage {
  /** Base64. */
  data: string
}

/** What an image is, by its own first bytes; undefined where it is none that models see, or too large, or no base64. */
export function imageOf(data: string): NewImage | undefined {
  const decoded = Buffer.from(data, 'base64')
  const mediaType = mediaTypeOf(decoded)
  if (!mediaType || decoded.length > mostImageBytes || decoded.toString('base64') !== data) return undefined
  return { hash: hash('sha256', data, 'hex'), mediaType, bytes: decoded.length, data }
}

/** Throws `invalid_request` where one is no image. */
export function readImages(given: readonly Static<typeof GivenImage>[]): NewImage[] {
  return given.map(({ data }, at) => {
    const image = imageOf(data)
    if (image) return image
    throw new WarrenError('invalid_request', `images[${at}] is no PNG, JPEG, GIF or WebP in base64 of at most 5 MiB`)
  })
}

/** What is recorded of them. */
export function storedOf(images: readonly NewImage[]): { images?: StoredImage[] } {
  return images.length > 0 ? { images: images.map(({ data: _, ...stored }) => stored) } : {}
}

/** Those that a task is about, for each conversation that is to do a part of it. */
export function imagesOf({ started: { images } }: { started: { images?: StoredImage[] } }): { images?: StoredImage[] } {
  return images ? { images } : {}
}

/** As they stand in a conversation. */
export function imageParts(images: readonly StoredImage[] = []): ImagePart[] {
  return images.map(({ hash: stored, mediaType }) => ({ type: 'image', mediaType, stored }))
}

function mediaTypeOf(bytes: Buffer): string | undefined {
  const begins = bytes.toString('latin1', 0, 12)
  if (begins.startsWith('\x89PNG\r\n\x1a\n')) return 'image/png'
  if (begins.startsWith('\xff\xd8\xff')) return 'image/jpeg'
  if (begins.startsWith('GIF87a') || begins.startsWith('GIF89a')) return 'image/gif'
  return begins.startsWith('RIFF') && begins.endsWith('WEBP') ? 'image/webp' : undefined
}
