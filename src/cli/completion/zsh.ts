import type { CompletionNode, CompletionOption, Values } from './tree.ts'

/** A script for zsh: loaded as it is, or put as `_nodeplane` into a folder of $fpath. */
export const zshCompletion = (tree: readonly CompletionNode[]): string => `\
#compdef nodeplane kubectl-nodeplane
# Completion of nodeplane for zsh. Load it: source <(nodeplane completion zsh)
_nodeplane() {
  local command='' word
  integer depth=0
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$command/$word" in
      (${tree.flatMap(({ path }) => (path === '' ? [] : [path])).join('|')}) command+="/$word"; (( ++depth )) ;;
      (*) break ;;
    esac
  done
  words=("$words[1]" "\${(@)words[depth + 2,-1]}")
  (( CURRENT -= depth ))
  case $command in
${tree.map(nodeCase).join('\n')}
  esac
}
if [[ $funcstack[1] == _nodeplane ]]; then _nodeplane "$@"
else compdef _nodeplane nodeplane kubectl-nodeplane
fi
`

function nodeCase({ path, commands, options, operands }: CompletionNode): string {
  const below = commands.map(
    ({ name, summary }) => `${name}\\:${escaped(JSON.stringify(summary)).replaceAll('$', '\\$')}`,
  )
  const specs = [
    ...options.map(optionSpec),
    ...(below.length === 0 ? [] : [quoted(`1:command:((${below.join(' ')}))`)]),
    ...(operands === undefined ? [] : [quoted(`*:operand:${action(operands)}`)]),
  ]
  return `    (${quoted(path)}) _arguments ${specs.join(' ')} ;;`
}

/** `(-o --output)` excludes each other; `{-o,--output}` are two names of one. */
function optionSpec({ names, summary, values }: CompletionOption): string {
  const value = values === undefined ? '' : `:value:${action(values)}`
  const rest = quoted(`[${escaped(summary)}]${value}`)
  const [name = ''] = names
  return names.length === 1 ? `${name}${rest}` : `'(${names.join(' ')})'{${names.join(',')}}${rest}`
}

function action(values: Values): string {
  if (values.kind === 'words') return `(${values.words.join(' ')})`
  if (values.kind === 'any') return ' '
  return values.kind === 'file' ? '_files' : '_files -/'
}

/** What ends a part of a specification. */
const escaped = (text: string): string => text.replace(/[[\]:\\]/g, '\\$&')

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
