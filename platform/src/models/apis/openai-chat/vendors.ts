/** In what a vendor departs from OpenAI's Chat Completions. */
export interface ChatVendor {
  baseUrl: string
  maxTokensField: 'max_tokens' | 'max_completion_tokens'
  /** Whether `stream_options` may be sent, without which many tell no usage. */
  streamUsage: boolean
  /** How to ask for reasoning. */
  reasoning: 'reasoning_effort' | 'thinking' | 'enable_thinking' | 'chat_template_kwargs' | 'reasoning'
  /**
   * The field in which earlier reasoning goes back, where the vendor wants it to continue after tool results. Undefined
   * where it is refused or ignored.
   */
  reasoningBack?: 'reasoning_content' | 'reasoning'
  /** What stands for "call some tool". Kimi and some servers refuse `required`. */
  requiredToolChoice: 'required' | 'auto'
  /** Whether `response_format` of type json_schema is known; else json_object is asked for. */
  jsonSchema: boolean
  images: boolean
  /** Ids of tool calls that it accepts. */
  callIds: RegExp
}

const openai: ChatVendor = {
  baseUrl: 'https://api.openai.com/v1',
  maxTokensField: 'max_completion_tokens',
  streamUsage: true,
  reasoning: 'reasoning_effort',
  requiredToolChoice: 'required',
  jsonSchema: true,
  images: true,
  callIds: /^[\w.:|-]{1,40}$/,
}

const compatible: ChatVendor = {
  ...openai,
  maxTokensField: 'max_tokens',
  reasoningBack: 'reasoning_content',
  callIds: /./,
}

export const chatVendors = {
  openai,
  compatible,
  deepseek: {
    ...compatible,
    baseUrl: 'https://api.deepseek.com',
    reasoning: 'thinking',
    jsonSchema: false,
    images: false,
  },
  qwen: {
    ...compatible,
    baseUrl: 'https://dashscope.aliyuncs.com/compatible-mode/v1',
    reasoning: 'enable_thinking',
    requiredToolChoice: 'auto',
  },
  kimi: {
    ...compatible,
    baseUrl: 'https://api.moonshot.ai/v1',
    reasoning: 'thinking',
    requiredToolChoice: 'auto',
  },
  vllm: {
    ...compatible,
    baseUrl: 'http://127.0.0.1:8000/v1',
    reasoning: 'chat_template_kwargs',
    reasoningBack: 'reasoning',
  },
  ollama: {
    ...compatible,
    baseUrl: 'http://127.0.0.1:11434/v1',
    reasoningBack: 'reasoning',
    requiredToolChoice: 'auto',
  },
  openrouter: {
    ...compatible,
    baseUrl: 'https://openrouter.ai/api/v1',
    reasoning: 'reasoning',
    reasoningBack: 'reasoning',
  },
} as const satisfies Record<string, ChatVendor>

export type ChatVendorName = keyof typeof chatVendors
