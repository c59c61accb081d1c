import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Sentences that people have written: of our docs, and of the manuals and comments of what is installed. Each once. */
export function realTexts(most: number): string[] {
  const found = new Set<string>()
  for (const file of globSync(['docs/*.md', 'node_modules/**/*.md', 'node_modules/**/*.d.ts'], { cwd: root }).sort()) {
    const source = read(file)
    const comments = () => [...source.matchAll(/\/\*\*([\s\S]*?)\*\//g)].map((match) => match[1])
    const prose = file.endsWith('.md')
      ? withoutCode(source)
      : comments()
          .join('\n\n')
          .replace(/^\s*\* ?/gm, '')
    for (const sentence of prose.split(/\n\s*\n|(?<=[.!?])\s+(?=[A-Z])/)) {
      const text = sentence.replace(/\s+/g, ' ').trim()
      if (text.length >= 40 && text.length <= 600) found.add(text)
      if (found.size === most) return [...found]
    }
  }
  return [...found]
}

/** Sections of manuals by what stands above them: a question, and what answers it. */
export function realSections(): { heading: string; text: string }[] {
  const found = new Map<string, string>()
  for (const file of globSync(['docs/*.md', 'node_modules/**/*.md'], { cwd: root }).sort()) {
    const parts = read(file).split(/^#{1,5} +(.+)$/m)
    for (let at = 1; at + 1 < parts.length; at += 2) {
      const heading = parts[at]!.replace(/[`*_[\]]|\(.*?\)/g, '').trim()
      const text = withoutCode(parts[at + 1]!)
        .trim()
        .slice(0, 1500)
      const says = text.length >= 120 && heading.split(/\s+/).length > 1 && !/^v?\d/.test(heading)
      if (says && !found.has(heading)) found.set(heading, text)
    }
  }
  return [...found].map(([heading, text]) => ({ heading, text }))
}

function withoutCode(markdown: string): string {
  return markdown.replace(/```[\s\S]*?```/g, ' ')
}

function read(file: string): string {
  return readFileSync(`${root}${file}`, 'utf8')
}
