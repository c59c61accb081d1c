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
