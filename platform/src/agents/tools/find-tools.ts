import { LexicalIndex } from '../../kernel/experience/lexical-index.ts'
import { tokensOfText } from '../memory/count-tokens.ts'
import { oneLine } from '../one-line.ts'
import { object } from './sandbox-tools.ts'
import type { Tool } from './tool.ts'

/** From so many tools of servers on, or from so many tokens that their definitions take, they are told of only when they are found. */
const manyTools = 32
const manyTokens = 10_000
const mostFound = 8
const mostDescriptionChars = 300
const mostNames = 60

export type ToolSearch = 'auto' | 'always' | 'never'

/** The tools of servers as an agent gets them: where they are many, deferred, and with them the tool that finds them. */
export function withSearch(tools: readonly Tool[], search: ToolSearch): Tool[] {
  if (tools.length === 0 || search === 'never' || (search === 'auto' && !areMany(tools))) return [...tools]
  const deferred = tools.map((tool): Tool => ({ ...tool, deferred: true }))
  return [...deferred, findTools(deferred)]
}

function areMany(tools: readonly Tool[]): boolean {
  if (tools.length > manyTools) return true
  const told = tools.map(({ name, description, inputSchema }) => JSON.stringify([name, description, inputSchema]))
  return tokensOfText(told.join('')) > manyTokens
}

/** Finds tools by words. What it finds is offered from the next question on, after those that were offered before: what a model was told stays the same to the byte. */
function findTools(tools: readonly Tool[]): Tool {
  const counts = new Map<string, number>()
  for (const { name } of tools) {
    const server = name.slice(0, name.indexOf('__'))
    counts.set(server, (counts.get(server) ?? 0) + 1)
  }
  const servers = [...counts].map(([server, count]) => `${server} (${count})`).join(', ')
  let index: LexicalIndex | undefined
  return {
    name: 'find_tools',
    description: `Finds tools by what they do; you can call those that are found from then on. You have ${tools.length} more tools than you see, of: ${servers}. Look here before you say that something cannot be done.`,
    inputSchema: object(
      { words: { type: 'string', minLength: 1, maxLength: 500, description: 'What the tool is to do, or its name.' } },
      ['words'],
    ),
    effect: 'read',
    handler: async (_context, { words }: { words: string }) => {
      index ??= indexOf(tools)
      const asked = new Set(words.match(/[\w-]+/g))
      const named = tools.filter(({ name }) => asked.has(name))
      const alike = index.search(words, mostFound).map(({ row }) => tools[row]!)
      const found = [...new Set([...named, ...alike])].slice(0, mostFound)
      if (found.length === 0) {
        const names = tools.slice(0, mostNames).map(({ name }) => name)
        const more = tools.length > mostNames ? `, and ${tools.length - mostNames} more` : ''
        return `No tool is described by any of these words. There are: ${names.join(', ')}${more}.`
      }
      const lines = found.map(({ name, description }) => `- ${name}: ${oneLine(description, mostDescriptionChars)}`)
      return { text: `You can call these now:\n${lines.join('\n')}`, offers: found.map(({ name }) => name) }
    },
  }
}

function indexOf(tools: readonly Tool[]): LexicalIndex {
  const index = new LexicalIndex()
  for (const { name, description, inputSchema } of tools) {
    const { properties = {} } = inputSchema as { properties?: object }
    // A name twice: what a tool is called says most of it.
    index.add([apart(name), apart(name), description, ...Object.keys(properties).map(apart)].join(' '))
  }
  return index
}

/** `createIssue` are two words. */
function apart(name: string): string {
  return name.replace(/(\p{Ll})(\p{Lu})/gu, '$1 $2')
}
