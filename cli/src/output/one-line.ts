const mostChars = 80

/** A text as one line for a table. */
export function oneLine(text: string, most = mostChars): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > most ? `${line.slice(0, most)}…` : line
}
