import { WarrenError } from '../errors.ts'

/** What a caller wants to be so before anything is done; `*` is any object. */
export interface Condition {
  /** It is one of these. */
  match?: readonly string[] | undefined
  /** It is none of these. */
  noneMatch?: readonly string[] | undefined
}

/** Whether one of `etags` is that of what is there; undefined is nothing. */
export function isAmong(etags: readonly string[], etag: string | undefined): boolean {
  return etag !== undefined && (etags.includes('*') || etags.includes(etag))
}

/** Throws `conflict` where it is not so. */
export function checkCondition({ match, noneMatch }: Condition, etag: string | undefined): void {
  const details = etag === undefined ? {} : { etag }
  if (match && !isAmong(match, etag)) {
    const is = etag === undefined ? 'there is none' : `it is "${etag}"`
    throw new WarrenError('conflict', `the object is not the one that If-Match names: ${is}`, { details })
  }
  if (noneMatch && isAmong(noneMatch, etag))
    throw new WarrenError('conflict', `there is such an object already, which If-None-Match excludes: "${etag}"`, {
      details,
    })
}
