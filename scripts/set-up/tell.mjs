/** One line of progress. On stderr, because some commands print JSON on stdout. */
export function tell(line) {
  process.stderr.write(`set-up: ${line}\n`)
}
