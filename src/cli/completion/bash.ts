import type { CompletionNode, Values } from './tree.ts'

/** A script for bash 4 and later. */
export const bashCompletion = (tree: readonly CompletionNode[]): string => `\
# Completion of nodeplane for bash. Load it: source <(nodeplane completion bash)
_nodeplane() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} path='' word
  local commands='' options='' operands=''
  # "=" is a word of its own: --output=json is three.
  if [[ $cur == '=' ]]; then cur=''
  elif [[ $prev == '=' ]]; then prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$path/$word" in
      ${tree.flatMap(({ path }) => (path === '' ? [] : [path])).join(' | ')}) path+="/$word" ;;
      *) break ;;
    esac
  done
  case "$path $prev" in
${tree.flatMap(valueCases).join('\n')}
  esac
  case "$path" in
${tree.map(nodeCase).join('\n')}
  esac
  if [[ $cur == -* ]]; then _nodeplane_words "$options"
  elif [[ -n $commands ]]; then _nodeplane_words "$commands"
  elif [[ -n $operands ]]; then eval "$operands"
  elif [[ -z $cur ]]; then _nodeplane_words "$options"
  fi
}
_nodeplane_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_nodeplane_paths() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen "$1" -- "$cur"); }
complete -F _nodeplane nodeplane kubectl-nodeplane
`

function valueCases({ path, options }: CompletionNode): readonly string[] {
  return options.flatMap(({ names, values }) => {
    if (values === undefined) return []
    const patterns = names.map(name => quoted(`${path} ${name}`)).join(' | ')
    return [`    ${patterns}) ${[action(values), 'return'].filter(Boolean).join('; ')} ;;`]
  })
}

function nodeCase({ path, commands, options, operands }: CompletionNode): string {
  const set = [
    `commands=${quoted(commands.map(({ name }) => name).join(' '))}`,
    `options=${quoted(options.flatMap(({ names }) => names).join(' '))}`,
    `operands=${quoted(operands === undefined ? '' : action(operands))}`,
  ]
  return `    ${quoted(path)}) ${set.join(' ')} ;;`
}

function action(values: Values): string {
  if (values.kind === 'words') return `_nodeplane_words "${values.words.join(' ')}"`
  if (values.kind === 'any') return ''
  return `_nodeplane_paths ${values.kind === 'file' ? '-f' : '-d'}`
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
