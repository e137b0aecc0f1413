import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { bashCompletion } from '../../src/cli/completion/bash.ts'
import { fishCompletion } from '../../src/cli/completion/fish.ts'
import { type CompletionNode, completionTree } from '../../src/cli/completion/tree.ts'
import { zshCompletion } from '../../src/cli/completion/zsh.ts'
import { commands } from '../../src/cli/registry.ts'

const run = promisify(execFile)
const folder = t.testdir({ 'Corefile.one': '', 'a b.yaml': '', folder: {} })
const tree = await completionTree(commands)
const script = (name: string, text: string): string => {
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}
const scripts = {
  bash: script('bash.script', bashCompletion(tree)),
  fish: script('fish.script', fishCompletion(tree)),
  zsh: script('zsh.script', zshCompletion(tree)),
}

const words = (text: string): readonly string[] =>
  text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .toSorted()

/** What bash offers for the last of these words. */
async function bash(...line: readonly string[]): Promise<readonly string[]> {
  const program = `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _nodeplane
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = await run('bash', ['-c', program, scripts.bash, ...line], { cwd: folder })
  return words(stdout)
}

async function fish(line: string): Promise<readonly string[]> {
  const env = { ...process.env, HOME: folder }
  const program = 'source $argv[1]; complete -C $argv[2]'
  const { stdout } = await run('fish', ['-N', '-c', program, scripts.fish, line], {
    cwd: folder,
    env,
  })
  return words(stdout.replace(/\t.*$/gm, ''))
}

/** What zsh makes of a line after the tabulator: the whole line, where one word fits. */
async function zsh(line: string): Promise<string> {
  const program = `
    zmodload zsh/zpty
    zpty z 'TERM=dumb zsh -f -i'
    zpty -w z 'PS1=; unsetopt zle_bracketed_paste 2>/dev/null; autoload -U compinit; compinit -u -D; source "$FILE"'
    zpty -w z 'compdef _nodeplane nodeplane; show() { print "<$BUFFER>"; BUFFER=; zle .accept-line }; zle -N show'
    zpty -w z 'bindkey "^X" show; print rea""dy'
    zpty -r -m z seen '*ready*'
    zpty -w -n z "$LINE"$'\\t\\x18'
    zpty -r -m z seen '*<nodeplane*>*'
    print -r -- "$seen"`
  const env = { ...process.env, HOME: folder, FILE: scripts.zsh, LINE: line }
  const { stdout } = await run('zsh', ['-f', '-c', program], { cwd: folder, env, timeout: 20_000 })
  return /<(nodeplane.*?)>/.exec(stdout)?.[1] ?? stdout
}

t.test('the tree has every option that the commands have', async t => {
  const find = (path: string) => tree.find(node => node.path === path) as CompletionNode
  t.strictSame(find('').commands, commands)
  t.match(
    find('/dns').options.find(({ names }) => names.includes('--log-level')),
    { values: { kind: 'words', words: ['trace'] } },
  )
  t.match(find('/dns/check').operands, { kind: 'file' })
  t.equal(find('/cni').operands, undefined)
})

t.test('bash', async t => {
  t.strictSame(await bash('nodeplane', 'vers'), ['version'])
  t.match(await bash('nodeplane', ''), commands.map(({ name }) => name).toSorted())
  t.strictSame(await bash('nodeplane', 'dns', 'conv'), ['convert'])
  t.strictSame(await bash('nodeplane', 'version', '--o'), ['--output'])
  t.strictSame(await bash('nodeplane', 'version', '-o', ''), ['json', 'yaml'])
  t.strictSame(await bash('nodeplane', 'version', '--output', '=', 'j'), ['json'], '--output=j')
  t.strictSame(await bash('nodeplane', 'version', '--output', '='), ['json', 'yaml'])
  t.strictSame(await bash('nodeplane', 'dns', 'check', 'Core'), ['Corefile.one'])
  t.strictSame(await bash('nodeplane', 'agent', '--config', 'a'), ['a b.yaml'])
  t.strictSame(await bash('nodeplane', 'proxy', '--manifests', 'f'), ['folder'])
  t.strictSame(await bash('nodeplane', 'completion', ''), ['bash', 'fish', 'zsh'])
  t.strictSame(await bash('nodeplane', 'proxy', '--master', ''), [], 'nothing is known of a URL')
  t.strictSame(await bash('nodeplane', 'agent', '--config', 'dns', '--cl'), ['--cleanup'])
})

t.test('fish', async t => {
  t.strictSame(await fish('nodeplane vers'), ['version'])
  t.strictSame(await fish('nodeplane dns conv'), ['convert'])
  t.strictSame(await fish('nodeplane version -o '), ['json', 'yaml'])
  t.strictSame(await fish('nodeplane version --outp'), ['--output'])
  t.strictSame(await fish('nodeplane completion '), ['bash', 'fish', 'zsh'])
  t.strictSame(await fish('nodeplane dns check Core'), ['Corefile.one'])
})

t.test('zsh', async t => {
  t.equal((await zsh('nodeplane vers')).trim(), 'nodeplane version')
  t.equal((await zsh('nodeplane version --outp')).trim(), 'nodeplane version --output')
  t.equal((await zsh('nodeplane version -o js')).trim(), 'nodeplane version -o json')
  t.equal((await zsh('nodeplane dns conv')).trim(), 'nodeplane dns convert')
  t.equal((await zsh('nodeplane dns check Core')).trim(), 'nodeplane dns check Corefile.one')
})
