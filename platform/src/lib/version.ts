/** Whether the first `major.minor` in `text` is at least that; false where there is none. */
export function isVersionAtLeast(text: string, [leastMajor, leastMinor]: readonly [number, number]): boolean {
  const [, major = 0, minor = 0] = /(\d+)\.(\d+)/.exec(text)?.map(Number) ?? []
  return major > leastMajor || (major === leastMajor && minor >= leastMinor)
}
