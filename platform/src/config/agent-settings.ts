import { list, number, oneOf, setting } from './setting.ts'

type Api = 'openai-chat' | 'openai-responses' | 'anthropic' | 'gemini'
type Vendor = 'openai' | 'deepseek' | 'qwen' | 'kimi' | 'vllm' | 'ollama' | 'openrouter' | 'compatible'
const api = oneOf('openai-chat', 'openai-responses', 'anthropic', 'gemini')
const vendor = oneOf('openai', 'deepseek', 'qwen', 'kimi', 'vllm', 'ollama', 'openrouter', 'compatible')

/** What an operator can set about the models of agents. */
export const agentSettings = {
  model: setting<string | undefined>({
    name: 'models.model',
    env: 'WARREN_MODEL',
    default: undefined,
    meaning:
      'Name of the model that agents think with, such as gpt-5.1 or claude-sonnet-4-5. Without one they have their scripts alone.',
    parse: (text) => text,
  }),
  smallModel: setting<string | undefined>({
    name: 'models.smallModel',
    env: 'WARREN_MODEL_SMALL',
    default: undefined,
    meaning:
      'Name of a smaller model of the same vendor, which plans, summarises and judges. Default: that of WARREN_MODEL.',
    parse: (text) => text,
  }),
  modelApi: setting<Api>({
    name: 'models.api',
    env: 'WARREN_MODEL_API',
    default: 'openai-chat',
    meaning: 'What its vendor speaks: openai-chat, openai-responses, anthropic or gemini.',
    parse: api,
  }),
  modelVendor: setting<Vendor | undefined>({
    name: 'models.vendor',
    env: 'WARREN_MODEL_VENDOR',
    default: undefined,
    meaning:
      'Who speaks openai-chat there: openai, deepseek, qwen, kimi, vllm, ollama, openrouter or compatible. Default: openai, or compatible with WARREN_MODEL_URL.',
    parse: vendor,
  }),
  modelUrl: setting<string | undefined>({
    name: 'models.url',
    env: 'WARREN_MODEL_URL',
    default: undefined,
    meaning: 'Base address of the API, such as http://127.0.0.1:11434/v1. Default: that of the vendor.',
    parse: address,
  }),
  modelKeys: setting<string[]>({
    name: 'models.keys',
    env: 'WARREN_MODEL_KEYS',
    default: [],
    meaning: 'Keys of the vendor, with commas between; they are used in turn, written nowhere and shown to nobody.',
    parse: list,
  }),
  mcpOpen: setting<string[]>({
    name: 'agents.mcpOpen',
    env: 'WARREN_MCP_OPEN',
    default: [],
    meaning:
      'Private ranges and loopback addresses where servers of tools for agents may be, such as 10.1.2.0/24, with commas between; there also over plain HTTP. Default: none.',
    parse: list,
  }),
  embeddingModel: setting<string | undefined>({
    name: 'models.embedding.model',
    env: 'WARREN_EMBEDDING_MODEL',
    default: undefined,
    meaning:
      'Name of a model that makes vectors of texts, such as text-embedding-3-small, so that documents and experiences of agents are found by what they mean. Without one they are found by their words and how these are written.',
    parse: (text) => text,
  }),
  embeddingUrl: setting<string>({
    name: 'models.embedding.url',
    env: 'WARREN_EMBEDDING_URL',
    default: 'https://api.openai.com/v1',
    meaning: 'Base address of its API, which speaks as OpenAI’s embeddings do, such as http://127.0.0.1:11434/v1.',
    parse: address,
  }),
  embeddingKeys: setting<string[]>({
    name: 'models.embedding.keys',
    env: 'WARREN_EMBEDDING_KEYS',
    default: [],
    meaning: 'Its keys, with commas between; they are used in turn, written nowhere and shown to nobody.',
    parse: list,
  }),
  embeddingDimensions: setting<number | undefined>({
    name: 'models.embedding.dimensions',
    env: 'WARREN_EMBEDDING_DIMENSIONS',
    default: undefined,
    meaning: 'How many numbers its vectors have, and it is asked for. Default: as many as it makes.',
    parse: number({ least: 1, most: 8192, whole: true }),
  }),
  modelPrices: setting<Prices | undefined>({
    name: 'models.prices',
    env: 'WARREN_MODEL_PRICES',
    default: undefined,
    meaning:
      'US dollars for a million tokens, as input,output or input,output,cached input: what budgets in money are computed from.',
    parse: prices,
  }),
  fallbackModel: setting<string | undefined>({
    name: 'models.fallback.model',
    env: 'WARREN_MODEL_FALLBACK',
    default: undefined,
    meaning:
      'Name of a model that is asked where the one that should answer cannot: its vendor is down, refuses the keys or has no quota left. It is of the same vendor, unless one of the four settings that follow says otherwise.',
    parse: (text) => text,
  }),
  fallbackApi: setting<Api | undefined>({
    name: 'models.fallback.api',
    env: 'WARREN_MODEL_FALLBACK_API',
    default: undefined,
    meaning: 'What its vendor speaks, as WARREN_MODEL_API. Default: openai-chat, where another vendor is set.',
    parse: api,
  }),
  fallbackVendor: setting<Vendor | undefined>({
    name: 'models.fallback.vendor',
    env: 'WARREN_MODEL_FALLBACK_VENDOR',
    default: undefined,
    meaning: 'Who speaks openai-chat there, as WARREN_MODEL_VENDOR.',
    parse: vendor,
  }),
  fallbackUrl: setting<string | undefined>({
    name: 'models.fallback.url',
    env: 'WARREN_MODEL_FALLBACK_URL',
    default: undefined,
    meaning: 'Base address of its API. Default: that of its vendor.',
    parse: address,
  }),
  fallbackKeys: setting<string[]>({
    name: 'models.fallback.keys',
    env: 'WARREN_MODEL_FALLBACK_KEYS',
    default: [],
    meaning: 'Keys of its vendor, with commas between, as WARREN_MODEL_KEYS.',
    parse: list,
  }),
  fallbackPrices: setting<Prices | undefined>({
    name: 'models.fallback.prices',
    env: 'WARREN_MODEL_FALLBACK_PRICES',
    default: undefined,
    meaning: 'What it costs, as WARREN_MODEL_PRICES. Default: as those.',
    parse: prices,
  }),
}

interface Prices {
  input: number
  output: number
  cachedInput?: number
}

function prices(text: string): Prices {
  const [input = Number.NaN, output = Number.NaN, cachedInput, ...more] = text.split(',').map(Number)
  const given = [input, output, ...(cachedInput === undefined ? [] : [cachedInput])]
  if (more.length > 0 || given.some((price) => !(price >= 0)))
    throw new RangeError('two or three numbers such as 2.5,10,1.25')
  return { input, output, ...(cachedInput !== undefined && { cachedInput }) }
}

function address(text: string): string {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    throw new RangeError('an address that begins with http:// or https://')
  return text
}
