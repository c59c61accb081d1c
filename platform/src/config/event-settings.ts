import { list, oneOf, setting } from './setting.ts'

/** What an operator can set about events, figures and who is told of them. */
export const eventSettings = {
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
