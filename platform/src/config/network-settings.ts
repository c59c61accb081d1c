import { resolve } from 'node:path'
import { list, number, oneOf, setting } from './setting.ts'

/** What an operator can set about what sandboxes reach, and where their images come from. */
export const networkSettings = {
  egress: setting<'deny' | 'allow'>({
    name: 'egress.default',
    env: 'WARREN_EGRESS',
    default: 'deny',
    meaning: 'What a sandbox whose request does not say may reach: deny (nothing) or allow (the internet).',
    parse: oneOf('deny', 'allow'),
  }),
  egressOpen: setting<string[]>({
    name: 'egress.open',
    env: 'WARREN_EGRESS_OPEN',
    default: [],
    meaning:
      'Private ranges that sandboxes may be allowed to reach, such as 10.1.2.0/24, with commas between. Default: none.',
    parse: list,
  }),
  egressDns: setting<string[]>({
    name: 'egress.dns',
    env: 'WARREN_EGRESS_DNS',
    default: [],
    meaning: 'DNS servers that are asked for sandboxes, with commas between. Default: those of the host.',
    parse: list,
  }),
  egressCa: setting<string | undefined>({
    name: 'egress.authorities',
    env: 'WARREN_EGRESS_CA',
    default: undefined,
    meaning:
      'A file of certificates in PEM. Where requests of sandboxes are changed on their way out, servers may be signed by these authorities as well as by the usual ones.',
    parse: (text) => resolve(text),
  }),
  egressUplink: setting<string | undefined>({
    name: 'egress.uplink',
    env: 'WARREN_EGRESS_UPLINK',
    default: undefined,
    meaning:
      'Network namespace, by name or path, from which the connections of sandboxes go out, such as one of a VPN. Default: that of the platform.',
    parse: (text) => (text.includes('/') ? resolve(text) : `/run/netns/${text}`),
  }),
  registryOpen: setting<string[]>({
    name: 'registry.open',
    env: 'WARREN_REGISTRY_OPEN',
    default: [],
    meaning:
      'Private ranges and loopback addresses where registries of images may be, such as 10.1.2.0/24, with commas between. Default: none.',
    parse: list,
  }),
  registryInsecure: setting<string[]>({
    name: 'registry.insecure',
    env: 'WARREN_REGISTRY_INSECURE',
    default: [],
    meaning:
      'Registries that are asked over plain HTTP, as host or host:port, with commas between. Those on loopback are anyway.',
    parse: list,
  }),
  maxImageMb: setting({
    name: 'registry.maxImageMb',
    env: 'WARREN_MAX_IMAGE_MB',
    default: 10_240,
    meaning: 'How large a layer of an image may be when unpacked, and an image as it is pulled, in MiB.',
    parse: number({ least: 1, most: 16_777_216, whole: true }),
  }),
}
