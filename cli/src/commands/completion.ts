import { Argument, type Command } from 'commander'
import { text } from '../messages.ts'

export function addCompletion(program: Command): void {
  program
    .command('completion')
    .description(text.completion)
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', '\n  bash: source <(warren completion bash)\n  fish: warren completion fish | source')
    .action((shell: keyof typeof scripts) => {
      process.stdout.write(scripts[shell](placesOf(program)))
    })
}

/** A place in the command line: what was typed, and what may follow. */
interface Place {
  typed: string
  words: string[]
  /** Ids of sandboxes may follow too. */
  ids: boolean
}

const idWords = 'warren sandbox list --quiet 2>/dev/null'

const scripts = {
  bash: (places: Place[]) => `_warren() {
  local typed="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || typed="\${typed:+$typed }$word"
  done
${shellCase(places)}
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _warren warren
`,
  zsh: (places: Place[]) => `#compdef warren
_warren() {
  local typed="" word words_found=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
    [[ $word == -* ]] || typed="\${typed:+$typed }$word"
  done
${shellCase(places).replaceAll('words=', 'words_found=')}
  compadd -- \${=words_found}
  _files
}
compdef _warren warren
`,
  fish: (places: Place[]) => `function __warren_words
  set -l typed (string match --invert -- '-*' (commandline -opc)[2..-1])
  switch "$typed"
${places.map(({ typed, words, ids }) => `    case '${typed}' '${typed} *'\n      printf '%s\\n' ${words.join(' ')}${ids ? `\n      ${idWords}` : ''}`).join('\n')}
  end
end
complete -c warren -a '(__warren_words)'
`,
}

function shellCase(places: Place[]): string {
  const branches = places.map(({ typed, words, ids }) => {
    const pattern = typed === '' ? '""' : `"${typed}"*`
    return `    ${pattern}) words="${words.join(' ')}${ids ? ` $(${idWords})` : ''}" ;;`
  })
  return `  case "$typed" in\n${branches.join('\n')}\n  esac`
}

/** All places, the longest first, so that the first that matches is the right one. */
function placesOf(program: Command): Place[] {
  const places: Place[] = []
  const visit = (command: Command, path: string[]) => {
    const words = [
      ...command.commands.flatMap((child) => [child.name(), ...child.aliases()]),
      ...command.registeredArguments.flatMap((argument) => argument.argChoices ?? []),
      ...command.options.flatMap(({ long }) => long ?? []),
      '--help',
    ]
    const ids = command.registeredArguments.some((argument) => argument.name() === 'id')
    places.push({ typed: path.join(' '), words, ids })
    for (const child of command.commands) {
      for (const name of [child.name(), ...child.aliases()]) visit(child, [...path, name])
    }
  }
  visit(program, [])
  return places.sort((a, b) => b.typed.length - a.typed.length)
}
