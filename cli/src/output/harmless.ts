/** `text` without what a terminal would obey. */
export function harmless(text: string): string {
  return text.replace(/\p{Cc}/gu, '\ufffd')
}
