import type { Image } from '../engine/images/images.ts'
import { defaultTag, type Template } from './template.ts'

/** What sandboxes can start from without anything being built. */
export const base: Template = {
  id: 'base',
  name: 'base',
  description:
    "The host's own /usr, read-only, with a fresh /etc, /home/user, /tmp and /var; users `user` (1000) and root.",
  state: 'ready',
  tags: [defaultTag],
}

/** The same as what a build begins with. */
export const baseImage: Image = { layers: [], onBase: true, user: 'user', workdir: '/home/user', env: {} }
