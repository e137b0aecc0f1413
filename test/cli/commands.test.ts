import t from 'tap'
import { programName } from '../../src/cli/command-line.ts'
import { allCommands, type CommandEntry, commands, findCommand } from '../../src/cli/registry.ts'
import { main } from '../../src/main.ts'
import { recordIo } from '../helper/command-io.ts'

async function nodeplane(words: readonly string[], program = 'nodeplane') {
  const io = recordIo()
  const exitCode = await main(words, { ...io, program })
  return { exitCode, ...io.written }
}

for (const { path, entry } of allCommands()) {
  const name = path.join(' ')
  t.test(`${name} --help says what it does, with two examples of ${name}`, async t => {
    const { exitCode, stdout } = await nodeplane([...path, '--help'])
    t.equal(exitCode, 0)
    const [, examples = ''] = stdout.split('\nExamples:\n')
    const lines = examples.split('\n').filter(line => line.startsWith('  '))
    t.equal(lines.length, 2)
    for (const line of lines) t.match(line, new RegExp(`\\bnodeplane ${name}( |$|\\))`))
    for (const { name } of entry.commands ?? []) t.match(stdout, `\n  ${name} `)
  })
  t.test(`kubectl nodeplane ${name} --help shows what is typed there`, async t => {
    const { stdout } = await nodeplane([...path, '--help'], 'kubectl nodeplane')
    t.match(stdout, `Usage: kubectl nodeplane ${name}`)
    t.notMatch(stdout.split('\nExamples:\n')[1] ?? '', /(?<!kubectl )\bnodeplane [a-z]/)
  })
}

t.test('the program itself', async t => {
  const help = await nodeplane(['--help'])
  t.equal(help.exitCode, 0)
  for (const { name } of commands) t.match(help.stdout, new RegExp(`^  ${name} `, 'm'))
  t.strictSame(await nodeplane(['help']), help)
  t.strictSame(await nodeplane(['help', 'dns', 'check']), await nodeplane(['dns', 'check', '-h']))
  t.equal((await nodeplane([])).exitCode, 2)
  t.match(await nodeplane(['teapot']), { exitCode: 2, stderr: /no command 'teapot'/ })
  t.match(await nodeplane(['toString']), { exitCode: 2 })
  t.match(await nodeplane(['version', 'x']), { exitCode: 2, stderr: /too many arguments/ })
})

t.test('version', async t => {
  t.match(await nodeplane(['version']), { exitCode: 0, stdout: /^nodeplane \d+\.\d+\.\d+\n$/ })
  const { stdout } = await nodeplane(['version', '-o', 'json'])
  t.match(JSON.parse(stdout), { version: /^\d/, node: process.versions.node, kernel: /^\d/ })
})

t.test('a command is found by as many words as name it', async t => {
  const below: CommandEntry = { name: 'list', summary: '' }
  const tree: readonly CommandEntry[] = [{ name: 'service', summary: '', commands: [below] }]
  const found = (...words: string[]) => {
    const { path, args } = findCommand(words, tree) ?? {}
    return [path, args]
  }
  t.strictSame(found('service', 'list', 'a'), [['service', 'list'], ['a']])
  t.strictSame(found('service', '-o', 'list'), [['service'], ['-o', 'list']])
  t.strictSame(found('list'), [undefined, undefined])
})

t.test('kubectl calls a plugin by its file name', async t => {
  const cases = [
    ['/usr/bin/kubectl-nodeplane', 'kubectl nodeplane'],
    ['/opt/dist/lib/kubectl-nodeplane.mjs', 'kubectl nodeplane'],
    ['/opt/dist/lib/nodeplane.mjs', 'nodeplane'],
    ['', 'nodeplane'],
  ] as const
  for (const [path, name] of cases) t.equal(programName(path), name, path)
})
