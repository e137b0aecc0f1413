import type { CompletionNode, CompletionOption, Values } from './tree.ts'

/** A script for fish 3 and later. */
export const fishCompletion = (tree: readonly CompletionNode[]): string => `\
# Completion of nodeplane for fish. Load it: nodeplane completion fish | source
function __nodeplane_path
    set -l path
    for word in (commandline -opc)[2..]
        switch "$path/$word"
            case ${tree.flatMap(({ path }) => (path === '' ? [] : [path])).join(' ')}
                set path "$path/$word"
            case '*'
                break
        end
    end
    test "$path" = "$argv[1]"
end
complete -c nodeplane -f
${tree.flatMap(nodeLines).join('\n')}
complete -c kubectl-nodeplane -w nodeplane
`

function nodeLines({ path, commands, options, operands }: CompletionNode): readonly string[] {
  const at = `complete -c nodeplane -n ${quoted(`__nodeplane_path ${quoted(path)}`)}`
  return [
    ...commands.map(({ name, summary }) => `${at} -a ${name} -d ${quoted(summary)}`),
    ...options.map(option => `${at} ${optionWords(option)}`),
    ...(operands === undefined ? [] : [`${at} ${valueWords(operands)}`]),
  ]
}

function optionWords({ names, summary, values }: CompletionOption): string {
  const words = names.map(name =>
    name.startsWith('--') ? `-l ${quoted(name.slice(2))}` : `-s ${name.slice(1)}`,
  )
  return [...words, values === undefined ? '' : `-x ${valueWords(values)}`, '-d', quoted(summary)]
    .filter(word => word !== '')
    .join(' ')
}

function valueWords(values: Values): string {
  if (values.kind === 'words') return `-a ${quoted(values.words.join(' '))}`
  if (values.kind === 'file') return '-F'
  return values.kind === 'directory' ? "-a '(__fish_complete_directories)'" : ''
}

/** In single quotes fish knows two escapes. */
const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
