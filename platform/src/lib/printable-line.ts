/** A text of a stranger on one line of at most so many characters, with nothing in it that moves a cursor or turns letters around. */
export function printableLine(text: string, most: number): string {
  const line = text
    .slice(0, most * 4)
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, '?')
  return line.length > most ? `${line.slice(0, most).toWellFormed()}…` : line.toWellFormed()
}
