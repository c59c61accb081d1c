const width = 24
const mb = 1024 * 1024

/** `[######··················]  12 of 48 MiB` */
export function progressBar(bytes: number, total: number): string {
  const share = total > 0 ? Math.min(1, bytes / total) : 1
  const filled = Math.floor(share * width)
  return `[${'#'.repeat(filled)}${'·'.repeat(width - filled)}] ${Math.floor(bytes / mb)} of ${Math.ceil(total / mb)} MiB`
}
