import type { Place, ValueOption } from './places.ts'

type Script = (places: Place[], values: ValueOption[]) => string

const fishFiles = '__fish_complete_path "$current"'
const listIds = 'warren sandbox list --quiet 2>/dev/null'

/**
 * The completion script of each shell. All do the same: walk over the words before the cursor to find the command (`place`)
 * and how many arguments it already has (`given`), then offer options after a dash, the values of an option after it,
 * subcommands, ids, and files where nothing else is known.
 */
export const scripts: Record<'bash' | 'zsh' | 'fish', Script> = {
  bash: (places, values) => `_warren() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local place="" given=0 skip="" word found="" flags="" ids=""
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
${walk(places, values)}
  done
${lookUp(places, values)}
  case "$current" in -*) COMPREPLY=($(compgen -W "$flags" -- "$current")); return ;; esac
  if [[ $ids == colon ]]; then
    [[ -n $current ]] || return
    COMPREPLY=($(compgen -S : -W "$(${listIds})" -- "$current"))
    [[ \${#COMPREPLY[@]} == 0 ]] || compopt -o nospace 2>/dev/null
    return
  fi
  [[ -z $ids ]] || found="$found $(${listIds})"
  COMPREPLY=($(compgen -W "$found" -- "$current"))
}
complete -o default -F _warren warren
`,

  zsh: (places, values) => `#compdef warren
_warren() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}"
  local place="" given=0 skip="" word found="" flags="" ids=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
${walk(places, values)}
  done
${lookUp(places, values, `compadd -- \${=found}`)}
  case "$current" in -*) compadd -- \${=flags}; return ;; esac
  if [[ $ids == colon ]]; then
    [[ -z $current ]] || compadd -S : -- $(${listIds})
    _files
    return
  fi
  [[ -z $ids ]] || found="$found $(${listIds})"
  if [[ -n $found ]]; then compadd -- \${=found}; else _files; fi
}
if [[ "\${funcstack[1]}" == _warren ]]; then _warren "$@"; else compdef _warren warren; fi
`,

  fish: (places, values) => `function __warren_complete
  set -l before (commandline -opc)
  set -e before[1]
  set -l current (commandline -ct)
  set -l place ''
  set -l given 0
  set -l skip ''
  for word in $before
    if test -n "$skip"
      set skip ''
      continue
    end
    switch "$word"
      case ${namesOf(values).join(' ')}
        set skip 1
      case '-*'
      case '*'
        switch (string trim -- "$place $word")
          case ${paths(places)
            .map((path) => `'${path}'`)
            .join(' ')}
            set place (string trim -- "$place $word")
          case '*'
            set given (math $given + 1)
        end
    end
  end
  if set -q before[-1]
    switch "$before[-1]"
${values
  .map(
    ({ names, values }) =>
      `      case ${names.join(' ')}\n        ${values.length > 0 ? `printf '%s\\n' ${values.join(' ')}` : fishFiles}\n        return`,
  )
  .join('\n')}
    end
  end
  switch "$place"
${places
  .map(({ path, words, options, runs, ids, copies }) =>
    [
      `    case '${path}'`,
      `      string match -q -- '-*' "$current"; ${runs ? 'and test $given = 0; ' : ''}and printf '%s\\n' ${options.join(' ')}; and return`,
      ...(words.length > 0 ? [`      test $given = 0; and printf '%s\\n' ${words.join(' ')}`] : []),
      ...(ids === 'first' ? [`      test $given = 0; and ${listIds}`] : ids === 'all' ? [`      ${listIds}`] : []),
      ...(copies ? [`      ${listIds} | string replace -r '$' ':'`] : []),
      ...(copies || runs ? [`      ${ids === 'first' ? 'test $given != 0; and ' : ''}${fishFiles}`] : []),
    ].join('\n'),
  )
  .join('\n')}
  end
end
complete -c warren -f -a '(__warren_complete)'
`,
}

/** One word before the cursor, in bash and zsh. bash makes a word of its own of the = in NAME=VALUE. */
function walk(places: Place[], values: ValueOption[]): string {
  return `    if [[ -n $skip ]]; then skip=""; continue; fi
    case "$word" in
      ${namesOf(values).join('|')}|=) skip=1 ;;
      -*) ;;
      *)
        case "\${place:+$place }$word" in
          ${paths(places)
            .map((path) => `"${path}"`)
            .join('|')}) place="\${place:+$place }$word" ;;
          *) given=$((given + 1)) ;;
        esac ;;
    esac`
}

/** Answers with the values of an option where the cursor is at one, else sets what may follow, in bash and zsh. */
function lookUp(
  places: Place[],
  values: ValueOption[],
  offer = 'COMPREPLY=($(compgen -W "$found" -- "$current"))',
): string {
  const afterOption = values.map(({ names, values }) =>
    values.length > 0
      ? `    ${names.join('|')}) found="${values.join(' ')}"; ${offer}; return ;;`
      : `    ${names.join('|')}) return ;;`,
  )
  const afterCommand = places.map(({ path, words, options, runs, ids, copies }) => {
    const first = [...(words.length > 0 ? [`found="${words.join(' ')}"`] : []), ...(ids === 'first' ? ['ids=yes'] : [])]
    return [
      `    "${path}") ${runs ? '[[ $given != 0 ]] || ' : ''}flags="${options.join(' ')}"`,
      ...(first.length > 0 ? [`if [[ $given == 0 ]]; then ${first.join('; ')}; fi`] : []),
      ...(ids === 'all' ? ['ids=yes'] : copies ? ['ids=colon'] : []),
    ].join('; ')
  })
  return `  case "$previous" in
${afterOption.join('\n')}
  esac
  case "$place" in
${afterCommand.map((line) => `${line} ;;`).join('\n')}
  esac`
}

function paths(places: Place[]): string[] {
  return places.map(({ path }) => path).filter((path) => path !== '')
}

function namesOf(values: ValueOption[]): string[] {
  return values.flatMap(({ names }) => names)
}
