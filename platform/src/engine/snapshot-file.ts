/** A snapshot as one file: this line, the manifest behind its length (u32, big-endian), its parts in the manifest's
 * order, the SHA-256 of all of that. Compressed with zstd, which makes the holes of a disk next to nothing. */
export const snapshotMagic = Buffer.from('warren snapshot 1\n')
export const longestManifest = 64 * 1024
export const checksumBytes = 32
