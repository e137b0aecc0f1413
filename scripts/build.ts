import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import {
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { type BuildOptions, build, type Plugin } from 'esbuild'
import { pluginNames } from '../src/cni/plugins.ts'

const root = dirname(import.meta.dirname)
/** Another folder can be named, for trying a build out; it must not exist, or be such a build. */
const dist = resolve(process.argv[2] ?? join(root, 'dist'))
const lib = join(dist, 'lib')
/** Where the build will lie, when that is another machine's: an image. Node is then found by PATH. */
const installedAt = process.argv[3]

/** Packages with a native part: where their `.node` files lie, by architecture (in Node's words). */
const nativePackages: Readonly<Record<string, (arch: string) => string>> = {
  koffi: arch => `@koromix/koffi-linux-${arch}/linux_${arch}/koffi.node`,
  netlink: arch => `netlink/prebuilds/linux-${arch}/node.napi.node`,
}

/** Copies what there is for this product's architectures; at least this machine's must be there. */
async function copyNatives(): Promise<void> {
  await mkdir(join(lib, 'native'))
  for (const [name, pathFor] of Object.entries(nativePackages)) {
    for (const arch of ['x64', 'arm64']) {
      const from = join(root, 'node_modules', pathFor(arch))
      const copied = copyFile(from, join(lib, 'native', `${name}-${arch}.node`))
      // npm installs the other architecture's package only where it can run.
      await (arch === process.arch ? copied : copied.catch(() => {}))
    }
  }
}

/** The status page is served as it is. */
async function copyPage(): Promise<void> {
  const from = join(root, 'src/agent/page/assets')
  await mkdir(join(lib, 'page'))
  for (const file of await readdir(from)) {
    if (!file.endsWith('.json')) await copyFile(join(from, file), join(lib, 'page', file))
  }
}

/**
 * `koffi`, and the function that netlink finds its addon with (node-gyp-build), become a plain require of the file
 * beside the bundle.
 */
const nativeModules: Plugin = {
  name: 'native-modules',
  setup(build) {
    build.onResolve({ filter: /^koffi$/ }, () => ({ path: 'koffi', namespace: 'native' }))
    build.onResolve({ filter: /^node-gyp-build$/ }, () => ({
      path: 'netlink',
      namespace: 'native',
    }))
    build.onLoad({ filter: /./, namespace: 'native' }, ({ path }) => ({
      // A name that is computed stays a require at run time.
      contents: `const file = \`./native/${path}-\${process.arch}.node\`
        module.exports = ${path === 'netlink' ? '() => ' : ''}require(file)`,
      loader: 'js',
    }))
  },
}

/** Modules that have to be loaded late and synchronously are required; the bundler sees only a plain `require`. */
const lateRequires: Plugin = {
  name: 'late-requires',
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, async ({ path }) => {
      if (!path.startsWith(join(root, 'src/'))) return undefined
      const text = await readFile(path, 'utf8')
      const contents = text.replaceAll('createRequire(import.meta.url)(', 'require(')
      return { contents, loader: 'ts' }
    })
  },
}

const common = {
  bundle: true,
  platform: 'node',
  target: 'node26',
  absWorkingDir: root,
  outdir: lib,
  // Names stay: errors are named after their classes, and stack traces are read.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'linked',
  logLevel: 'warning',
  plugins: [nativeModules, lateRequires],
} satisfies BuildOptions

/** The command line, split: a command loads only what it uses. */
const commandLine: BuildOptions = {
  ...common,
  // The worker's name is known to src/dns/server/udp-fast.ts.
  entryPoints: { nodeplane: 'src/main.ts', 'dns-fast-worker': 'src/dns/fast/worker.ts' },
  format: 'esm',
  splitting: true,
  outExtension: { '.js': '.mjs' },
  chunkNames: 'chunk-[hash]',
  banner: {
    // Bundled CommonJS packages require Node's modules, and netlink names its folder.
    js: "import { createRequire as nodeCreateRequire } from 'node:module'; const require = nodeCreateRequire(import.meta.url); const __dirname = import.meta.dirname;",
  },
}

/** The CNI plugins alone, in one file: a pod's start waits for it several times. */
const cniPlugin: BuildOptions = {
  ...common,
  entryPoints: { 'cni-plugin': 'src/cli/cni-plugin.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
}

/** Has the compiled code of the plugins kept between calls, which saves each a millisecond or two. */
const cniEntry = `'use strict'
require('node:module').enableCompileCache({ directory: __dirname + '/compile-cache', portable: true })
require('./cni-plugin.cjs')
`

async function writeLaunchers(): Promise<void> {
  const text = (await readFile(join(root, 'scripts/launcher.sh'), 'utf8'))
    .replace("'@NODE@'", () => shellQuoted(installedAt === undefined ? process.execPath : ''))
    .replace("'@DIST@'", () => shellQuoted(installedAt ?? dist))
  const launcher = join(dist, 'nodeplane')
  await writeFile(launcher, text)
  await chmod(launcher, 0o755)
  // As kubectl finds plugins; the program knows by its name what is typed.
  await symlink('nodeplane', join(dist, 'kubectl-nodeplane'))
  await symlink('nodeplane.mjs', join(lib, 'kubectl-nodeplane.mjs'))
  await mkdir(join(dist, 'cni'))
  const plugin = compilePlugin() ?? launcher
  for (const name of pluginNames) await link(plugin, join(dist, 'cni', name))
}

/** The program that asks the agent, or undefined (and said so) where it cannot be compiled: the launcher does the work alone. */
function compilePlugin(): string | undefined {
  const program = join(lib, 'nodeplane-cni')
  const source = join(root, 'src/cni/shim/nodeplane-cni.c')
  const compiler = process.env['CC'] ?? 'cc'
  // A string in C has the escapes of one in JSON, as far as paths need them.
  const words = [
    '-static',
    '-Os',
    '-s',
    `-DDIST=${JSON.stringify(installedAt ?? dist)}`,
    '-o',
    program,
    source,
  ]
  try {
    execFileSync(compiler, words, { stdio: ['ignore', 'inherit', 'inherit'] })
    return program
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    console.error(
      `build: the CNI executable cannot be compiled (${reason}); dist/cni/ starts Node for every call and never asks an agent`,
    )
    return undefined
  }
}

const shellQuoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

/**
 * Fills the compile cache, for it may lie where the plugins cannot write. It keeps what the first call compiled: one
 * that does real work.
 */
async function warmUp(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'nodeplane-build-'))
  const ipam = { type: 'host-local', dataDir, subnet: '10.0.0.0/24' }
  try {
    execFileSync(join(dist, 'cni', 'host-local'), {
      env: {
        CNI_COMMAND: 'ADD',
        CNI_CONTAINERID: 'build',
        CNI_NETNS: '/nonexistent',
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/nonexistent',
      },
      input: JSON.stringify({ cniVersion: '1.1.0', name: 'build', type: 'bridge', ipam }),
    })
  } finally {
    await rm(dataDir, { recursive: true })
  }
}

if (existsSync(dist) && !existsSync(join(lib, 'cni.cjs')) && (await readdir(dist)).length > 0) {
  throw new Error(`${dist} holds something else than a build`)
}
await rm(dist, { recursive: true, force: true })
await mkdir(lib, { recursive: true })
// First: by this file the next build knows that a folder is one, also after a build that failed.
await writeFile(join(lib, 'cni.cjs'), cniEntry)
await Promise.all([build(commandLine), build(cniPlugin), copyNatives(), copyPage()])
await writeLaunchers()
if (installedAt === undefined) await warmUp()
console.log(`built ${dist}/nodeplane and ${dist}/cni/{${pluginNames.join(',')}}`)
