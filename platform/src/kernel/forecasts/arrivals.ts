/*
 * Whether anything arrives in the next minute, as a probability: context mixing, as the strongest compressors predict the
 * next bit. Each context (how long nothing came, the gaps before, the minute of the hour …) knows how often something came
 * when it looked like this; a logistic mixture whose weights are learned online joins what they say. Half of the contexts
 * are of the series itself, half are shared by all, so that a new series is not a stranger.
 */

/** What all series share. About 0.5 MB, however many there are. */
export class Fleet {
  /** Probability and experience of each shared context, by hash. */
  readonly cells = new Float32Array(2 * fleetSlots)
  /** Weights of the mixture, a row for each amount of experience with the series. */
  readonly weights = new Float32Array(weightRows * inputs).fill(0.3)
  /** What came true of what was said, by what was said. */
  readonly outcomes = new Float32Array(2 * outcomeSteps)
  /** Minutes in which something came, of all series. */
  arrivals = 0

  constructor() {
    for (let at = 0; at < this.cells.length; at += 2) this.cells[at] = 0.1
  }

  /** Whether it has seen enough for what it says of a series that it hardly knows. */
  get isExperienced(): boolean {
    return this.arrivals >= enoughArrivals
  }
}

const enoughArrivals = 1000
const fleetSlots = 65_536
const ownSlots = 1024
const unit = 2048
const sharedContexts = 8
const ownContexts = 10
const inputs = 1 + sharedContexts + ownContexts
const weightRows = 7 * 6
const outcomeSteps = 33
const rememberedGaps = 6
const learningRate = 0.004
/** So much experience is the most that counts: what was learned long ago may have changed. */
const mostShared = 400
const mostOwn = 12
const mostOutcomes = 1000
const never = 999

/** The arrivals of one series, minute by minute; some 4 KB. */
export class Arrivals {
  readonly #fleet: Fleet
  /** How often something came and how often it might have, in parts of `unit`, for each own context, by hash. */
  readonly #own = new Uint16Array(2 * ownSlots)
  /** Which context a slot belongs to: another one begins it anew. */
  readonly #owners = new Uint16Array(ownSlots)
  /** One bit for each of the last 64 minutes, the newest first. */
  readonly #recent = new Uint8Array(64)
  readonly #gaps: number[] = []
  #minute = 0
  #last = -1

  readonly #stretched = new Float32Array(inputs)
  readonly #slots = new Uint32Array(sharedContexts + ownContexts)
  readonly #callers = new Uint16Array(ownContexts)
  #row = 0
  #mixed = 0
  #outcome = 0

  constructor(fleet: Fleet) {
    this.#fleet = fleet
  }

  /** That something arrives in the next minute, between 0 and 1. */
  probability(): number {
    this.#lookUp()
    const { weights, outcomes } = this.#fleet
    let z = 0
    for (let at = 0; at < inputs; at++) z += weights[this.#row * inputs + at]! * this.#stretched[at]!
    this.#mixed = squash(z)
    this.#outcome = Math.round((Math.max(-8, Math.min(8, z)) + 8) * 2)
    const seen = outcomes[2 * this.#outcome + 1]!
    return seen === 0 ? this.#mixed : (this.#mixed + outcomes[2 * this.#outcome]!) / 2
  }

  /** What became of the minute that `probability()` was last asked about. */
  observe(arrived: boolean): void {
    this.#learn(arrived ? 1 : 0)
    this.#recent.copyWithin(1, 0)
    this.#recent[0] = arrived ? 1 : 0
    if (arrived) {
      this.#fleet.arrivals++
      if (this.#last >= 0) this.#gaps.unshift(this.#minute - this.#last)
      if (this.#gaps.length > rememberedGaps) this.#gaps.pop()
      this.#last = this.#minute
    }
    this.#minute++
  }

  #lookUp(): void {
    const { cells } = this.#fleet
    const stretched = this.#stretched
    const gap = this.#last < 0 ? never : this.#minute - this.#last
    const [first = 0, second = 0, third = 0] = this.#gaps
    const was = (lag: number) => (lag <= this.#minute && lag <= 60 ? this.#recent[lag - 1]! : 2)
    let pattern = 0
    for (let lag = 1; lag <= 8; lag++) pattern = 2 * pattern + (this.#recent[lag - 1]! & 1)
    let lately = 0
    for (let at = 0; at < 10; at++) lately += this.#recent[at]!
    let inHour = lately
    for (let at = 10; at < 60; at++) inHour += this.#recent[at]!

    const long = magnitude(gap)
    const against = 49 * comparison(gap, first) + 7 * comparison(gap, second) + comparison(gap, third)
    const lags = [5, 10, 15, 20, 30, 60].reduce((sum, lag) => 3 * sum + was(lag), 0)
    const sums = 9 * was(first || never) + 3 * was(first + second || never) + was(first + second + third || never)
    const shared = [
      hash(1, long, magnitude(first), first === second ? 1 : 0),
      hash(2, long, against),
      hash(3, pattern),
      hash(4, lags, Math.min(gap, 3)),
      hash(5, lately, magnitude(inHour)),
      hash(6, long, magnitude(inHour)),
      hash(7, against, sums, magnitude(first)),
      hash(8, Math.min(this.#gaps.length, 4)),
    ]
    const minute = this.#minute
    const own = [
      hash(11, long),
      hash(12, long, first),
      hash(13, pattern & 63),
      hash(14, minute % 5),
      hash(15, minute % 10),
      hash(16, minute % 15),
      hash(17, minute % 30),
      hash(18, minute % 60),
      hash(19, long, 256 * first + second),
      hash(20),
    ]
    stretched[0] = 0.3
    for (let at = 0; at < sharedContexts; at++) {
      const slot = shared[at]! % fleetSlots
      this.#slots[at] = slot
      stretched[1 + at] = stretch(cells[2 * slot]!)
    }
    for (let at = 0; at < ownContexts; at++) {
      const slot = own[at]! % ownSlots
      this.#slots[sharedContexts + at] = slot
      this.#callers[at] = own[at]! >>> 16
      const isOurs = this.#owners[slot] === this.#callers[at]
      const [came, seen] = isOurs ? [this.#own[2 * slot]! / unit, this.#own[2 * slot + 1]! / unit] : [0, 0]
      stretched[1 + sharedContexts + at] =
        seen === 0 ? 0 : stretch(Math.max(0.002, Math.min(0.998, (came + 0.12) / (seen + 0.4))))
    }
    this.#row = 6 * Math.min(this.#gaps.length, 6) + Math.min(5, Math.floor(Math.log2(1 + inHour)))
  }

  #learn(outcome: number): void {
    const { cells, weights, outcomes } = this.#fleet
    const error = learningRate * (outcome - this.#mixed)
    for (let at = 0; at < inputs; at++) weights[this.#row * inputs + at]! += error * this.#stretched[at]!
    for (let at = 0; at < sharedContexts; at++) {
      const cell = 2 * this.#slots[at]!
      approach(cells, cell, outcome, mostShared)
      cells[cell] = Math.max(0.0005, Math.min(0.9995, cells[cell]!))
    }
    for (let at = 0; at < ownContexts; at++) this.#count(this.#slots[sharedContexts + at]!, this.#callers[at]!, outcome)
    if (outcomes[2 * this.#outcome + 1] === 0) outcomes[2 * this.#outcome] = this.#mixed
    approach(outcomes, 2 * this.#outcome, outcome, mostOutcomes)
  }

  #count(slot: number, caller: number, outcome: number): void {
    const own = this.#own
    if (this.#owners[slot] !== caller) {
      this.#owners[slot] = caller
      own.fill(0, 2 * slot, 2 * slot + 2)
    }
    const fade = own[2 * slot + 1]! > mostOwn * unit ? 0.92 : 1
    own[2 * slot] = Math.round(fade * own[2 * slot]!) + outcome * unit
    own[2 * slot + 1] = Math.round(fade * own[2 * slot + 1]!) + unit
  }
}

/** Moves the probability at `cell` towards what came, by less the more was seen there. */
function approach(cells: Float32Array, cell: number, outcome: number, most: number): void {
  const seen = Math.min(cells[cell + 1]! + 1, most)
  cells[cell + 1] = seen
  cells[cell] = cells[cell]! + (outcome - cells[cell]!) / (seen + 1.5)
}

/** Steps of one to begin with, and ever larger ones. */
function magnitude(gap: number): number {
  if (gap <= 16) return gap
  if (gap <= 32) return 16 + ((gap - 16) >> 1)
  if (gap <= 64) return 24 + ((gap - 32) >> 2)
  if (gap < 128) return 32 + ((gap - 64) >> 3)
  return 40 + Math.min(20, Math.floor(4 * Math.log2(gap / 128)))
}

/** How a gap that ends now would compare with an earlier one. */
function comparison(gap: number, earlier: number): number {
  if (earlier === 0) return 3
  if (gap < earlier - 1) return 0
  if (gap <= earlier + 1) return gap === earlier + 1 ? 4 : 1 + gap - (earlier - 1)
  return gap < 2 * earlier ? 5 : 6
}

function hash(context: number, a = 0, b = 0, c = 0): number {
  let h = Math.imul(context, 0x9e3779b1) ^ Math.imul(a + 1, 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 15), 0xc2b2ae35) ^ Math.imul(b + 1, 0x27d4eb2f)
  h = Math.imul(h ^ (h >>> 13), 0x165667b1) ^ Math.imul(c + 1, 0x9e3779b1)
  return (h ^ (h >>> 16)) >>> 0
}

function stretch(probability: number): number {
  return Math.log(probability / (1 - probability))
}

function squash(z: number): number {
  return 1 / (1 + Math.exp(-Math.max(-30, Math.min(30, z))))
}
