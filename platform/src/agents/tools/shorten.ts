/** Results longer than this are shown in part. */
export const mostShownChars = 16_000
/** No more of a result is kept. */
export const mostKeptChars = 8 * 1024 * 1024
const headChars = 3000
const tailChars = 1500

/** The beginning and the end of a long result, and how to read the rest of it. `end`: of all that there was. */
export function shorten(
  text: string,
  { handle, dropped, end }: { handle: string; dropped: number; end: string },
): string {
  const lost = dropped > 0 ? ` What came after them, another ${dropped}, was not kept but for the end.` : ''
  return `${text.slice(0, headChars)}
[… ${text.length} characters in all.${lost} Read on with read_result, handle "${handle}" …]
${end.slice(-tailChars)}`
}
