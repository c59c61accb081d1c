import { list, oneOf, setting } from './setting.ts'

/** What an operator can set about events, figures and who is told of them. */
export const eventSettings = {
  natsUrl: setting<string | undefined>({
    name: 'natsUrl',
    env: 'NATS_URL',
    default: undefined,
    meaning:
      'NATS with JetStream to which events are published and by which nodes wake each other, as nats://user:password@host:port; several with commas between. Default: none, PostgreSQL does it.',
    parse: natsUrl,
  }),
  otlpEndpoint: setting<string | undefined>({
    name: 'otlp.endpoint',
    env: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    default: undefined,
    meaning:
      'Address of a collector of OpenTelemetry, such as http://127.0.0.1:4318, to which traces are sent by OTLP over HTTP in JSON. Default: none.',
    parse: collector,
  }),
  otlpHeaders: setting<Record<string, string> | undefined>({
    name: 'otlp.headers',
    env: 'OTEL_EXPORTER_OTLP_HEADERS',
    default: undefined,
    meaning: 'What is sent along to it, as name=value with commas between.',
    parse: headers,
  }),
  otlpContents: setting<boolean>({
    name: 'otlp.contents',
    env: 'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT',
    default: false,
    meaning: 'Whether spans of runs of agents say what models and tools have answered, too: true, false.',
    parse: trueOrFalse,
  }),
  lokiUrl: setting<string | undefined>({
    name: 'loki.url',
    env: 'WARREN_LOKI_URL',
    default: undefined,
    meaning:
      'Address of Loki 3, such as http://127.0.0.1:3100, to which lines of the log are sent beside standard error. Default: none.',
    parse: collector,
  }),
  lokiHeaders: setting<Record<string, string> | undefined>({
    name: 'loki.headers',
    env: 'WARREN_LOKI_HEADERS',
    default: undefined,
    meaning: 'What is sent along to it, as name=value with commas between, such as X-Scope-OrgID=team.',
    parse: headers,
  }),
  webhookOpen: setting<string[]>({
    name: 'webhooks.open',
    env: 'WARREN_WEBHOOK_OPEN',
    default: [],
    meaning:
      'Private ranges and loopback addresses where webhooks may be, such as 10.1.2.0/24, with commas between; there also over plain HTTP. Default: none.',
    parse: list,
  }),
  metrics: setting<'key' | 'loopback' | 'off'>({
    name: 'metrics',
    env: 'WARREN_METRICS',
    default: 'key',
    meaning: 'Who may read GET /metrics: key (the operator), loopback (also whoever is on this machine), off (nobody).',
    parse: oneOf('key', 'loopback', 'off'),
  }),
}

function natsUrl(text: string): string {
  const isServer = (one: string) => URL.canParse(one) && ['nats:', 'tls:'].includes(new URL(one).protocol)
  if (text.split(',').every(isServer)) return text
  throw new RangeError('addresses such as nats://host:4222 or tls://host:4222, with commas between')
}

function collector(text: string): string {
  if (URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)) return text.replace(/\/+$/, '')
  throw new RangeError('an address such as http://127.0.0.1:4318')
}

/** As OpenTelemetry has it: values are encoded as in addresses. */
function headers(text: string): Record<string, string> {
  const pairs = text.split(',').map((pair) => /^\s*([\w.-]+)\s*=\s*(.*?)\s*$/.exec(pair))
  try {
    return Object.fromEntries(pairs.map((pair) => [pair![1]!, decodeURIComponent(pair![2]!)]))
  } catch {
    throw new RangeError('name=value, with commas between')
  }
}

function trueOrFalse(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new RangeError('true or false')
  return text === 'true'
}
