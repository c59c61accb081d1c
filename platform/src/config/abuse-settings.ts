import { number, oneOf, setting } from './setting.ts'

/** What an operator can set about sandboxes that look as if they were abused. A limit of 0 is not looked at. */
export const abuseSettings = {
  abuseRule: setting<'observe' | 'throttle' | 'pause'>({
    name: 'abuse.rule',
    env: 'WARREN_ABUSE_RULE',
    default: 'observe',
    meaning:
      'What is done with a sandbox that looks abused: observe (it is told of), throttle (a tenth of its processor) or pause.',
    parse: oneOf('observe', 'throttle', 'pause'),
  }),
  abuseCpuMinutes: setting({
    name: 'abuse.cpuMinutes',
    env: 'WARREN_ABUSE_CPU_MINUTES',
    default: 60,
    meaning:
      'Minutes without a break in which it uses all of its processor, as miners do; fractions are allowed. 0: never.',
    parse: number({ least: 0, most: 100_000 }),
  }),
  abuseRefused: setting({
    name: 'abuse.refusedPerMinute',
    env: 'WARREN_ABUSE_REFUSED',
    default: 100,
    meaning: 'Different addresses and ports that it is refused in a minute, as scanners are; at most 150. 0: never.',
    parse: number({ least: 0, most: 150, whole: true }),
  }),
  abuseEgress: setting({
    name: 'abuse.egressMbPerMinute',
    env: 'WARREN_ABUSE_EGRESS_MB',
    default: 6000,
    meaning: 'What it sends to the network in a minute, in MiB. 0: never.',
    parse: number({ least: 0, most: 1_000_000_000 }),
  }),
}
