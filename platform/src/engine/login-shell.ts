/** What a text is given to as its user's own commands are: bash, or where a small system such as Alpine has none, sh. */
const find = 'shell=/bin/bash; [ -x $shell ] || shell=/bin/sh; exec $shell -l -c "$1"'

export function loginShell(command: string): string[] {
  return ['/bin/sh', '-c', find, 'warren', command]
}
