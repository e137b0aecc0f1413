import { execFile } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const root = join(import.meta.dirname, '..')

/** Lines that must not be in a file of that place: who may import what (CONTRIBUTING.md, the tree). */
const refused: readonly [file: string, line: string][] = [
  ['src/net/a', "import '#runtime/log.ts'"],
  ['src/net/a', "import '#cluster/objects.ts'"],
  ['src/net/a', "import '../runtime/log.ts'"],
  ['src/runtime/a', "import '#net/ip.ts'"],
  ['src/linux/netlink/a', "import '#cluster/objects.ts'"],
  ['src/linux/netlink/a', "import '../../cluster/objects.ts'"],
  ['src/linux/netlink/a', "import '#linux/exec.ts'"],
  ['src/cluster/a', "import '#linux/exec.ts'"],
  ['src/cluster/a', "import '#proxy/main.ts'"],
  ['src/proxy/nftables/a', "import '#dns/message.ts'"],
  ['src/proxy/nftables/a', "import '#cni/plugins.ts'"],
  ['src/proxy/nftables/a', "import '#agent/agent.ts'"],
  ['src/proxy/nftables/a', "import '../../dns/message.ts'"],
  ['src/dns/server/a', "import '#linux/exec.ts'"],
  ['src/dns/server/a', "import '#linux/udp-batch.ts'"],
  ['src/dns/server/udp-fast', "import '#linux/exec.ts'"],
  ['src/dns/server/udp-fast', "import '#proxy/main.ts'"],
  ['src/dns/server/a', "import '#proxy/main.ts'"],
  ['src/dns/server/a', "import type { A } from '#proxy/main.ts'"],
  ['src/dns/server/a', "export { a } from '#proxy/main.ts'"],
  ['src/dns/server/a', "export const a = import('#proxy/main.ts')"],
  ['src/cni/a', "import '#cluster/objects.ts'"],
  ['src/cni/a', "import '#agent/agent.ts'"],
  ['src/cni/bridge/a', "import '../../cli/cni.ts'"],
  ['src/routes/a', "import '#proxy/main.ts'"],
  ['src/routes/a', "import '#dns/start.ts'"],
  ['src/routes/masquerade/a', "import '../../cni/main.ts'"],
  ['src/agent/a', "import '../cli/agent.ts'"],
  // What decides does not act. A later override replaces an earlier one: these keep their folder's rules as well.
  ['src/proxy/nftables/render', "import '#linux/exec.ts'"],
  ['src/proxy/nftables/render', "import 'node:fs/promises'"],
  ['src/proxy/nftables/plan', "import '#dns/message.ts'"],
  ['src/dns/server/plan', "import 'node:dgram'"],
  ['src/dns/server/plan', "import '#proxy/main.ts'"],
  ['src/cni/bridge/reference-render', "import 'node:fs'"],
  ['src/routes/plan', "import '#linux/exec.ts'"],
  ['src/routes/masquerade/nft-render', "import '#dns/start.ts'"],
  // Only src/linux starts programs and loads native code.
  ['src/proxy/a', "import 'node:child_process'"],
  ['src/cni/a', "import 'node:child_process'"],
  ['src/routes/a', "import 'netlink'"],
  ['src/cluster/api/a', "import 'node:child_process'"],
  ['src/cluster/api/exec-plugin', "import '#proxy/main.ts'"],
  ['src/cli/a', "import 'node:child_process'"],
  ['src/cli/a', "import 'koffi'"],
  ['src/cni/a', "import 'netlink'"],
  // The command line and the environment come in as parameters.
  ['src/proxy/a', 'export const a = process.argv'],
  ['src/dns/a', "export const a = process.env['A']"],
  ['src/agent/a', 'process.exit(1)'],
  ['src/routes/a', 'process.exit(1)'],
  ['src/linux/a', 'process.exitCode = 1'],
]

/** Lines that may be there. */
const accepted: readonly [file: string, line: string][] = [
  ['src/linux/a', "import 'node:child_process'"],
  ['src/linux/a', "import 'koffi'"],
  ['src/dns/server/udp-fast', "import '#linux/udp-batch.ts'"],
  ['src/dns/fast/worker', "import '#linux/udp-batch-messages.ts'"],
  ['src/cluster/api/exec-plugin', "import 'node:child_process'"],
  ['src/proxy/nftables/a', "import '#linux/nft.ts'"],
  ['src/proxy/nftables/a', "import '../settings.ts'"],
  ['src/proxy/nftables/a', "import 'node:fs'"],
  ['src/proxy/nftables/plan', "import '#cluster/objects.ts'"],
  ['src/dns/server/plan', "import '../message.ts'"],
  ['src/routes/masquerade/a', "import '../plan.ts'"],
  ['src/routes/a', "import '#linux/nft.ts'"],
  ['src/agent/a', "import '#dns/start.ts'"],
  ['src/cli/a', "export const a = process.env['A']"],
  ['src/main', 'process.exitCode = 1'],
]

/** Writes lines into the files that they are of. */
function sources(folder: string): ReadonlyMap<string, readonly string[]> {
  const files = new Map<string, string[]>()
  for (const [file, line] of [...refused, ...accepted]) {
    const path = `${file}.ts`
    files.set(path, [...(files.get(path) ?? []), line])
  }
  for (const [path, lines] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), `${lines.join('\n')}\n`)
  }
  return files
}

type Diagnostic = {
  readonly code: string
  readonly filename: string
  readonly labels: readonly { readonly span: { readonly line: number } }[]
}

/** `FILE: LINE` of all that the rules on imports and on `process` find fault with. */
async function faults(folder: string): Promise<readonly string[]> {
  const files = sources(folder)
  copyFileSync(join(root, '.oxlintrc.json'), join(folder, '.oxlintrc.json'))
  const bin = join(root, 'node_modules/.bin')
  // Without tap's hooks, which Node's options name: the linter does not start with them.
  const args = ['-u', 'NODE_OPTIONS', 'oxlint', '--format=json', '-c', '.oxlintrc.json', 'src']
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` }
  // It ends with 1 where it finds something.
  const { stdout } = await promisify(execFile)('env', args, { cwd: folder, env }).catch(
    (error: { stdout: string }) => error,
  )
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: readonly Diagnostic[] }
  return diagnostics
    .filter(({ code }) => /no-restricted-(imports|properties)/.test(code))
    .map(({ filename, labels: [label] }) => {
      return `${filename}: ${files.get(filename)?.[(label?.span.line ?? 0) - 1]}`
    })
}

t.test('the linter refuses what breaks the direction of imports, and nothing else', async t => {
  // Not t.testdir(): the linter passes over what Git ignores.
  const folder = mkdtempSync(join(tmpdir(), 'nodeplane-lint-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const found = await faults(folder)
  for (const [file, line] of refused)
    t.ok(found.includes(`${file}.ts: ${line}`), `${file}: ${line}`)
  for (const [file, line] of accepted) {
    t.notOk(found.includes(`${file}.ts: ${line}`), `${file}: ${line}`)
  }
})
