import { Type } from 'typebox'
import { WarrenError } from '../../errors.ts'
import { checked, formatPlatform, type Platform, parseJson } from './manifest.ts'

/** How an image wants its programs to be run. */
export interface ImageConfig {
  env: Record<string, string>
  workdir: string
  /** `name`, `uid`, `name:group` or empty for root. */
  user: string
  cmd: string[]
  entrypoint: string[]
}

const Strings = Type.Union([Type.Array(Type.String()), Type.Null()])

const Config = Type.Object({
  os: Type.Optional(Type.String()),
  architecture: Type.Optional(Type.String()),
  config: Type.Optional(
    Type.Union([
      Type.Null(),
      Type.Object({
        Env: Type.Optional(Strings),
        WorkingDir: Type.Optional(Type.String()),
        User: Type.Optional(Type.String()),
        Cmd: Type.Optional(Strings),
        Entrypoint: Type.Optional(Strings),
      }),
    ]),
  ),
  rootfs: Type.Object({
    type: Type.Literal('layers'),
    diff_ids: Type.Array(Type.String({ pattern: '^sha256:[0-9a-f]{64}$' })),
  }),
})

/** Reads the configuration of an image: how it runs, and what each of its layers is when unpacked, lowest first. */
export function readImageConfig(
  body: Buffer,
  platform: Platform,
  layers: number,
): { config: ImageConfig; diffIds: string[] } {
  const { os, architecture, config, rootfs } = checked(Config, parseJson(body, 'configuration'), 'configuration')
  const own = { os: os ?? 'linux', architecture: architecture ?? platform.architecture }
  if (own.os !== platform.os || own.architecture !== platform.architecture)
    throw new WarrenError(
      'invalid_request',
      `the image is for ${formatPlatform(own)}, not for ${formatPlatform(platform)}`,
    )
  if (rootfs.diff_ids.length !== layers)
    throw new WarrenError('invalid_request', `the image has ${layers} layers and tells of ${rootfs.diff_ids.length}`)
  const entries = (config?.Env ?? []).flatMap((pair): [string, string][] => {
    const equals = pair.indexOf('=')
    return equals > 0 && !pair.includes('\0') ? [[pair.slice(0, equals), pair.slice(equals + 1)]] : []
  })
  return {
    config: {
      env: Object.fromEntries(entries),
      workdir: config?.WorkingDir || '/',
      user: config?.User ?? '',
      cmd: config?.Cmd ?? [],
      entrypoint: config?.Entrypoint ?? [],
    },
    diffIds: rootfs.diff_ids.map((id) => id.slice('sha256:'.length)),
  }
}
