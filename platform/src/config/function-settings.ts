import { number, oneOf, setting } from './setting.ts'

/** What an operator can set about functions. */
export const functionSettings = {
  functionPool: setting({
    name: 'functions.pool',
    env: 'WARREN_FUNCTION_POOL',
    default: 4,
    meaning:
      'Workers without code that are kept ready for each runtime that a function uses, some 10 MiB each for Node; up to four times as many while forecasts say that so many are needed. 0 turns that off.',
    parse: number({ least: 0, most: 1000, whole: true }),
  }),
  functionInstances: setting({
    name: 'functions.instances',
    env: 'WARREN_FUNCTION_INSTANCES',
    default: 200,
    meaning: 'Instances of all functions together, idle and frozen ones too; above it the one idle for longest goes.',
    parse: number({ least: 1, most: 100_000, whole: true }),
  }),
  functionIdleSeconds: setting({
    name: 'functions.idleSeconds',
    env: 'WARREN_FUNCTION_IDLE_SECONDS',
    default: 600,
    meaning:
      'How long an instance that nobody calls is kept, frozen, in seconds: where forecasts do not decide, or know too little yet.',
    parse: number({ least: 0, most: 604_800 }),
  }),
  functionForecasts: setting({
    name: 'functions.forecasts',
    env: 'WARREN_FUNCTION_FORECASTS',
    default: true,
    meaning: 'Whether forecasts of calls decide which instances are kept and which are made ready beforehand: yes, no.',
    parse: (text) => oneOf('yes', 'no')(text) === 'yes',
  }),
  functionDriver: setting<string | undefined>({
    name: 'functions.driver',
    env: 'WARREN_FUNCTION_DRIVER',
    default: undefined,
    meaning:
      'The runtime of functions, such as namespaces, oci/runc or oci/runsc; it must give WARREN_ISOLATION. Default: the strongest that is healthy.',
    parse: (text) => text,
  }),
}
