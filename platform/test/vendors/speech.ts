import type { Api } from '../../src/models/message.ts'

/** One answer, whoever gives it. */
export interface Said {
  reasoning?: string
  signature?: string
  text?: string
  calls?: { id: string; name: string; arguments: string }[]
  stop?: 'end' | 'length'
  usage?: { input: number; output: number; cached: number; reasoning: number }
}

type Speech = (said: Said) => { json: string; events: string }

/** How each API puts an answer: as one document and as events. Written from the vendors' descriptions, not from our readers. */
export const speech: Record<Api, Speech> = {
  'openai-chat': (said) => {
    const { reasoning, text, calls, usage } = said
    const finish_reason = calls ? 'tool_calls' : said.stop === 'length' ? 'length' : 'stop'
    const base = { id: 'chatcmpl-1', created: 1, model: 'm-1' }
    const counts = usage && {
      prompt_tokens: usage.input,
      completion_tokens: usage.output,
      total_tokens: usage.input + usage.output,
      prompt_tokens_details: { cached_tokens: usage.cached },
      completion_tokens_details: { reasoning_tokens: usage.reasoning },
    }
    const called = calls?.map(({ id, name, arguments: args }) => ({
      id,
      type: 'function',
      function: { name, arguments: args },
    }))
    const chunk = (delta: object, finish: string | null = null) => ({
      ...base,
      object: 'chat.completion.chunk',
      choices: [{ index: 0, delta, finish_reason: finish }],
    })
    const chunks = [
      chunk({ role: 'assistant', content: '' }),
      ...pieces(reasoning).map((reasoning_content) => chunk({ reasoning_content })),
      ...pieces(text).map((content) => chunk({ content })),
      ...(called ?? []).flatMap((call, index) => [
        chunk({ tool_calls: [{ index, ...call, function: { name: call.function.name, arguments: '' } }] }),
        ...pieces(call.function.arguments).map((args) =>
          chunk({ tool_calls: [{ index, function: { arguments: args } }] }),
        ),
      ]),
      chunk({}, finish_reason),
      ...(counts ? [{ ...base, choices: [], usage: counts }] : []),
    ]
    const message = { role: 'assistant', content: text ?? null, reasoning_content: reasoning, tool_calls: called }
    return {
      json: JSON.stringify({
        ...base,
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason }],
        usage: counts,
      }),
      events: `${chunks.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('')}data: [DONE]\n\n`,
    }
  },

  anthropic: (said) => {
    const { reasoning, signature, text, calls, usage } = said
    const stop_reason = calls ? 'tool_use' : said.stop === 'length' ? 'max_tokens' : 'end_turn'
    const blocks = [
      ...(reasoning ? [{ type: 'thinking', thinking: reasoning, signature: signature ?? '' }] : []),
      ...(text ? [{ type: 'text', text }] : []),
      ...(calls ?? []).map(({ id, name, arguments: args }) => ({
        type: 'tool_use',
        id,
        name,
        input: JSON.parse(args || '{}'),
        args,
      })),
    ]
    const counts = usage && {
      input_tokens: usage.input - usage.cached,
      cache_read_input_tokens: usage.cached,
      cache_creation_input_tokens: 0,
    }
    const base = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm-1' }
    const events: [string, object][] = [
      [
        'message_start',
        { message: { ...base, content: [], stop_reason: null, usage: counts && { ...counts, output_tokens: 1 } } },
      ],
      ['ping', {}],
      ...blocks.flatMap((block, index): [string, object][] => {
        const [start, deltas] = split(block)
        return [
          ['content_block_start', { index, content_block: start }],
          ...deltas.map((delta): [string, object] => ['content_block_delta', { index, delta }]),
          ['content_block_stop', { index }],
        ]
      }),
      [
        'message_delta',
        { delta: { stop_reason, stop_sequence: null }, usage: usage && { output_tokens: usage.output } },
      ],
      ['message_stop', {}],
    ]
    return {
      json: JSON.stringify({
        ...base,
        content: blocks.map((block) => ({ ...block, args: undefined })),
        stop_reason,
        usage: counts && { ...counts, output_tokens: usage.output },
      }),
      events: events
        .map(([type, value]) => `event: ${type}\r\ndata: ${JSON.stringify({ type, ...value })}\r\n\r\n`)
        .join(''),
    }
  },

  'openai-responses': (said) => {
    const { reasoning, signature, text, calls, usage } = said
    const output = [
      ...(reasoning
        ? [
            {
              id: 'rs_1',
              type: 'reasoning',
              summary: [{ type: 'summary_text', text: reasoning }],
              encrypted_content: signature,
            },
          ]
        : []),
      ...(text
        ? [
            {
              id: 'msg_1',
              type: 'message',
              role: 'assistant',
              status: 'completed',
              content: [{ type: 'output_text', text, annotations: [] }],
            },
          ]
        : []),
      ...(calls ?? []).map(({ id, ...call }, index) => ({
        id: `fc_${index}`,
        type: 'function_call',
        call_id: id,
        status: 'completed',
        ...call,
      })),
    ]
    const length = said.stop === 'length'
    const response = {
      id: 'resp_1',
      object: 'response',
      model: 'm-1',
      status: length ? 'incomplete' : 'completed',
      incomplete_details: length ? { reason: 'max_output_tokens' } : null,
      error: null,
      output,
      usage: usage && {
        input_tokens: usage.input,
        input_tokens_details: { cached_tokens: usage.cached },
        output_tokens: usage.output,
        output_tokens_details: { reasoning_tokens: usage.reasoning },
      },
    }
    const events: [string, object][] = [
      ['response.created', { response: { ...response, status: 'in_progress', output: [], usage: null } }],
      ...output.flatMap((item, output_index): [string, object][] => {
        const at = { output_index, item_id: item.id }
        const deltas: [string, object][] =
          'call_id' in item
            ? pieces(item.arguments).map((delta) => ['response.function_call_arguments.delta', { ...at, delta }])
            : 'summary' in item
              ? pieces(reasoning).map((delta) => [
                  'response.reasoning_summary_text.delta',
                  { ...at, summary_index: 0, delta },
                ])
              : pieces(text).map((delta) => ['response.output_text.delta', { ...at, content_index: 0, delta }])
        const begun = {
          ...item,
          ...('call_id' in item ? { arguments: '' } : 'summary' in item ? { summary: [] } : { content: [] }),
        }
        return [
          ['response.output_item.added', { output_index, item: begun }],
          ...deltas,
          ['response.output_item.done', { output_index, item }],
        ]
      }),
      [length ? 'response.incomplete' : 'response.completed', { response }],
    ]
    return {
      json: JSON.stringify(response),
      events: events
        .map(
          ([type, value], sequence_number) =>
            `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number, ...value })}\n\n`,
        )
        .join(''),
    }
  },

  gemini: (said) => {
    const { reasoning, signature, text, calls, usage } = said
    const counts = usage && {
      promptTokenCount: usage.input,
      cachedContentTokenCount: usage.cached,
      candidatesTokenCount: usage.output - usage.reasoning,
      thoughtsTokenCount: usage.reasoning,
    }
    const answer = (parts: object[], more: object = {}) => ({
      candidates: [{ content: { role: 'model', parts }, index: 0, ...more }],
      usageMetadata: counts,
      modelVersion: 'm-1',
      responseId: 'r-1',
    })
    const finish = { finishReason: said.stop === 'length' ? 'MAX_TOKENS' : 'STOP' }
    const called = (calls ?? []).map(({ id, name, arguments: args }, index) => ({
      functionCall: { id, name, args: JSON.parse(args || '{}') },
      ...(index === 0 && signature && { thoughtSignature: signature }),
    }))
    const signed = signature && !calls ? { thoughtSignature: signature } : {}
    const parts = [
      ...(reasoning ? [{ text: reasoning, thought: true }] : []),
      ...(text ? [{ text, ...signed }] : []),
      ...called,
    ]
    const streamed = [
      ...pieces(reasoning).map((piece) => answer([{ text: piece, thought: true }])),
      ...pieces(text).map((piece) => answer([{ text: piece }])),
      ...called.map((call) => answer([call])),
      answer([{ text: '', ...signed }], finish),
    ]
    return {
      json: JSON.stringify(answer(parts, finish)),
      events: streamed.map((value) => `data: ${JSON.stringify(value)}\r\n\r\n`).join(''),
    }
  },
}

/** In three pieces, cut anywhere. */
function pieces(text: string | undefined): string[] {
  if (!text) return []
  const third = Math.ceil(text.length / 3)
  return [text.slice(0, third), text.slice(third, 2 * third), text.slice(2 * third)].filter(Boolean)
}

/** A block of Anthropic's as it begins, and what is added to it. */
function split(block: {
  type: string
  thinking?: string
  signature?: string
  text?: string
  args?: string
}): [object, object[]] {
  const { args, ...rest } = block
  if (block.type === 'text')
    return [{ type: 'text', text: '' }, pieces(block.text).map((text) => ({ type: 'text_delta', text }))]
  if (block.type === 'tool_use')
    return [
      { ...rest, input: {} },
      ['', ...pieces(args)].map((partial_json) => ({ type: 'input_json_delta', partial_json })),
    ]
  return [
    { type: 'thinking', thinking: '', signature: '' },
    [
      ...pieces(block.thinking).map((thinking) => ({ type: 'thinking_delta', thinking })),
      { type: 'signature_delta', signature: block.signature },
    ],
  ]
}
