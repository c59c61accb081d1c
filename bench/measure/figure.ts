/** One figure that is no time. */
export interface Figure {
  name: string
  value: number
  unit: string
  /** What the promise says, and whether it is kept. */
  promise: string
  met: boolean
}

export function figure(
  name: string,
  value: number,
  unit: string,
  { most, least }: { most?: number; least?: number },
): Figure {
  const met = (most === undefined || value <= most) && (least === undefined || value >= least)
  return {
    name,
    value: Math.round(value * 100) / 100,
    unit,
    promise: most === undefined ? `≥${least}` : `≤${most}`,
    met,
  }
}

/** One line for each, for people. */
export function figureLines(figures: readonly Figure[]): string {
  return figures
    .map(
      ({ name, value, unit, promise, met }) =>
        `${name.padEnd(54)}${`${value} ${unit}`.padStart(14)}   ${met ? '✓' : '✗'} ${promise}\n`,
    )
    .join('')
}
