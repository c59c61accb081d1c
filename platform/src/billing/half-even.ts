/** `numerator / denominator` as a whole number; what lies exactly between two goes to the even one. Only for a denominator above zero. */
export function halfEven(numerator: bigint, denominator: bigint): bigint {
  let floor = numerator / denominator
  if (numerator < 0n && floor * denominator !== numerator) floor -= 1n
  const twice = (numerator - floor * denominator) * 2n
  if (twice > denominator || (twice === denominator && floor % 2n !== 0n)) return floor + 1n
  return floor
}
