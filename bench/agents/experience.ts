import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lexicalEmbedding } from '../../platform/src/kernel/experience/embed-text.ts'
import { ExperienceStore } from '../../platform/src/kernel/experience/experience-store.ts'
import { TextIndex } from '../../platform/src/kernel/experience/text-index.ts'
import { VectorIndex } from '../../platform/src/kernel/vectors/vector-index.ts'
import { type Figure, figure } from '../measure/figure.ts'
import { Recorder, type Series } from '../measure/series.ts'
import { realSections, realTexts } from './texts.ts'
import { clusteredVectors, exactNearest } from './vectors.ts'

const dimensions = 384
const seed = 7
const most = 10
const rounds = 5

interface Measured {
  series: Series[]
  figures: Figure[]
}

/** How fast and how rightly what was experienced is found, in this process. */
export async function measureExperience({
  quick,
  tell,
}: {
  quick: boolean
  tell: (line: string) => void
}): Promise<Measured> {
  const measured: Measured = { series: [], figures: [] }
  const rows = quick ? 5000 : 100_000
  const queries = quick ? 20 : 100

  tell(`vectors: ${rows} clustered ones, seed ${seed}`)
  const clustered = clusteredVectors(rows + queries, { dimensions, seed })
  nearest(measured, `clustered, seed ${seed}`, { vectors: clustered.slice(0, rows), queries: clustered.slice(rows) })

  tell('vectors: of real texts')
  const texts = realTexts(rows)
  const step = Math.floor(texts.length / queries)
  const questions = Array.from({ length: queries }, (_, at) => halfOf(texts[at * step]!))
  const { embed } = lexicalEmbedding
  const startedAt = performance.now()
  const vectors = texts.map(embed)
  const embedding = (1000 * (performance.now() - startedAt)) / texts.length
  measured.figures.push(figure('embedding of a text', embedding, 'µs', { most: 100 }))
  nearest(measured, 'real texts, by the first half of one', { vectors, queries: questions.map(embed) })

  tell('texts')
  await found(measured, texts.slice(0, 10_000), questions)
  rightly(measured)
  return measured
}

function nearest(
  { series, figures }: Measured,
  name: string,
  { vectors, queries }: { vectors: Float32Array[]; queries: Float32Array[] },
): void {
  const index = new VectorIndex(dimensions)
  const startedAt = performance.now()
  for (const [at, vector] of vectors.entries()) index.add(String(at), vector)
  const seconds = (performance.now() - startedAt) / 1000
  const times = new Recorder()
  const exact = new Recorder()
  let right = 0
  for (let round = 0; round <= rounds; round++)
    for (const query of queries) {
      const before = performance.now()
      const answer = index.search(query, most)
      if (round > 0) times.add(performance.now() - before)
      if (round === rounds) {
        const begunAt = performance.now()
        const last = exactNearest(vectors, query, most) - 1e-6
        exact.add(performance.now() - begunAt)
        right += answer.filter(({ score }) => score >= last).length
      }
    }
  const targets = [{ percentile: 'p50' as const, atMost: 0.5 }]
  series.push(times.series(`${vectors.length} × ${dimensions}, ${name}`, { targets }))
  // In the same minutes on the same machine.
  series.push(exact.series(`reference: the same, each vector compared, in JavaScript`))
  figures.push(
    figure(`recall@10, ${name}`, right / most / queries.length, '', { least: 0.98 }),
    figure(`building, ${name}`, seconds, 's', { most: 10 }),
  )
}

async function found({ series, figures }: Measured, texts: readonly string[], questions: string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'warren-bench-'))
  try {
    const path = join(folder, 'log')
    const store = await ExperienceStore.open(path, lexicalEmbedding)
    for (let from = 0; from < texts.length; from += 500)
      await Promise.all(
        texts
          .slice(from, from + 500)
          .map((text, at) => store.put({ id: `${from + at}`, at: 0, text, data: { outcome: 'completed' } })),
      )
    const times = new Recorder()
    for (let round = 0; round <= rounds; round++)
      for (const question of questions) {
        const before = performance.now()
        store.search(question, most)
        if (round > 0) times.add(performance.now() - before)
      }
    const targets = [{ percentile: 'p50' as const, atMost: 0.5 }]
    series.push(times.series(`text in, 10 of ${texts.length} real texts out`, { targets }))
    figures.push(figure('log, bytes a record', store.bytes / store.size, 'B', { most: 1024 }))
    await store.close()
    const startedAt = performance.now()
    const again = await ExperienceStore.open(path, lexicalEmbedding)
    figures.push(
      figure(`opening a log of ${again.size}, indexes made`, (performance.now() - startedAt) / 1000, 's', { most: 2 }),
    )
    await again.close()
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** How often what stands below a heading is found by the heading, as the first or one of ten. */
function rightly({ figures }: Measured): void {
  const sections = realSections()
  const index = new TextIndex(lexicalEmbedding)
  for (const [at, { text }] of sections.entries()) index.add(String(at), text)
  let [first, among] = [0, 0]
  for (const [at, { heading }] of sections.entries()) {
    const place = index.search(heading, most).findIndex(({ id }) => id === String(at))
    if (place === 0) first++
    if (place >= 0) among++
  }
  const of = `of ${sections.length} sections by their headings`
  figures.push(
    figure(`found first, ${of}`, first / sections.length, '', { least: 0.26 }),
    figure(`found among ten, ${of}`, among / sections.length, '', { least: 0.49 }),
  )
}

function halfOf(text: string): string {
  const words = text.split(' ')
  return words.slice(0, Math.max(4, words.length >> 1)).join(' ')
}
