import { randomNumbers } from '../random-numbers.ts'
/** One step that a verb took: the name of it, how often that name had come by then, how many effects it is made of. */
export interface StepTaken {
  step: string
  occurrence: number
  effects: number
}

/** Where the platform dies: before a step, in it before its effect of that number, or right after it. */
export interface Point {
  step: string
  occurrence: number
  moment: 'before' | 'after' | number
}

export type Order = { arm: Point | null } | { tell: 'taken' }
export type Told = { outside: string } | { armed: true } | { taken: StepTaken[] }

/** Every point of a verb that took these steps. */
export function pointsOf(taken: readonly StepTaken[]): Point[] {
  return taken.flatMap(({ step, occurrence, effects }) => {
    // Of many effects the second, one in the middle and the last: the first is where the step begins.
    const inside = [...new Set([2, 1 + Math.ceil(effects / 2), effects])].filter(
      (effect) => effect >= 2 && effect <= effects,
    )
    return (['before', ...inside, 'after'] as const).map((moment) => ({ step, occurrence, moment }))
  })
}

export function describe({ step, occurrence, moment }: Point): string {
  const which = occurrence > 1 ? ` (${occurrence})` : ''
  return typeof moment === 'number' ? `in ${step}${which}, before effect ${moment}` : `${moment} ${step}${which}`
}

/** A part of `all`, the same for the same seed: each one by itself with this chance, and at least one. */
export function sample<T>(all: readonly T[], share: number, seed: number): T[] {
  const random = randomNumbers(seed)
  const chosen = all.filter(() => random() < share)
  return chosen.length > 0 || all.length === 0 ? chosen : [all[Math.floor(random() * all.length)]!]
}
