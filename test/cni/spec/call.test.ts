import t from 'tap'
import { CniError, cniCodes } from '#cni/spec/error.ts'
import { emptyResult } from '#cni/spec/result.ts'
import type { CniVersion } from '#cni/spec/version.ts'
import { parsePrefix } from '#net/prefix.ts'
import { callPlugin, cniEnv, fakePlugin } from '../../helper/cni.ts'

const all = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0']
const config = (changes: object = {}) => ({
  cniVersion: '1.1.0',
  name: 'net1',
  type: 'fake',
  ...changes,
})
const address = {
  address: parsePrefix('10.0.0.2/24') as NonNullable<ReturnType<typeof parsePrefix>>,
}

t.test('without CNI_COMMAND a person is told what this is, on stderr', async t => {
  const { stdout, stderr, exitCode } = await callPlugin(fakePlugin(), { env: {} })
  t.equal(stdout, '')
  t.match(stderr, /fake plugin v0\.0\.0\n.*0\.1\.0, 0\.2\.0, .*1\.1\.0\n/)
  t.equal(exitCode, 0)
})

const versions = [
  { title: 'nothing on stdin', text: '', want: '1.1.0' },
  { title: 'garbage on stdin', text: '{"cniVersion"', want: '1.1.0' },
  { title: 'a version to echo', text: '{"cniVersion":"0.4.0"}', want: '0.4.0' },
]
for (const { title, text, want } of versions) {
  t.test(`VERSION: ${title}`, async t => {
    const env = { CNI_COMMAND: 'VERSION' }
    const { json, exitCode } = await callPlugin(fakePlugin(), { env, config: text })
    t.strictSame(json, { cniVersion: want, supportedVersions: all })
    t.equal(exitCode, 0)
  })
}

/** Calls that fail before any plugin method is called: in the order in which they are looked at. */
const refused: readonly {
  title: string
  env?: NodeJS.ProcessEnv
  config?: unknown
  supported?: readonly CniVersion[]
  code: number
  msg: RegExp
}[] = [
  { title: 'an unknown verb', env: { CNI_COMMAND: 'add' }, code: 4, msg: /CNI_COMMAND/ },
  {
    title: 'missing variables are named together, empty ones too, before stdin is read',
    env: { CNI_CONTAINERID: '', CNI_NETNS: undefined, CNI_PATH: undefined },
    config: 'garbage',
    code: 4,
    msg: /^required env variables \[CNI_CONTAINERID,CNI_NETNS,CNI_PATH\] missing$/,
  },
  {
    title: 'CHECK needs the namespace',
    env: { CNI_COMMAND: 'CHECK', CNI_NETNS: '' },
    code: 4,
    msg: /\[CNI_NETNS\]/,
  },
  {
    title: 'a container id that leaves its folder',
    env: { CNI_CONTAINERID: '../x' },
    code: 4,
    msg: /CNI_CONTAINERID/,
  },
  {
    title: 'an interface name of 16 bytes',
    env: { CNI_IFNAME: 'abcdefghijklmnop' },
    code: 4,
    msg: /CNI_IFNAME/,
  },
  {
    title: 'an interface name with a colon',
    env: { CNI_IFNAME: 'eth0:1' },
    code: 4,
    msg: /CNI_IFNAME/,
  },
  { title: 'an interface named ..', env: { CNI_IFNAME: '..' }, code: 4, msg: /CNI_IFNAME/ },
  { title: 'an empty stdin', config: '', code: 6, msg: /not JSON/ },
  { title: 'trailing garbage', config: '{"name":"a"} x', code: 6, msg: /not JSON/ },
  { title: 'a list', config: '[]', code: 6, msg: /must be an object, not a list/ },
  {
    title: 'a name of another type',
    config: config({ name: 1 }),
    code: 6,
    msg: /^name must be a string, not 1$/,
  },
  { title: 'no name', config: config({ name: undefined }), code: 7, msg: /network name/ },
  { title: 'an empty name', config: config({ name: '' }), code: 7, msg: /network name/ },
  { title: 'a name with a slash', config: config({ name: 'a/b' }), code: 7, msg: /name: 'a\/b'/ },
  {
    title: 'the name before the version',
    config: config({ name: '', cniVersion: '9.9.9' }),
    code: 7,
    msg: /network name/,
  },
  {
    title: 'a version that nobody knows',
    config: config({ cniVersion: '9.9.9' }),
    code: 1,
    msg: /incompatible CNI versions: .*9\.9\.9/,
  },
  {
    title: 'a version that is not exact',
    config: config({ cniVersion: '1.0' }),
    code: 1,
    msg: /'1\.0'/,
  },
  {
    title: 'a version the plugin does not support; none means 0.1.0',
    config: config({ cniVersion: undefined }),
    supported: ['1.0.0'],
    code: 1,
    msg: /'0\.1\.0'/,
  },
  {
    title: 'CHECK before 0.4.0',
    env: { CNI_COMMAND: 'CHECK' },
    config: config({ cniVersion: '0.3.1', prevResult: {} }),
    code: 1,
    msg: /CHECK/,
  },
  {
    title: 'GC before 1.1.0',
    env: { CNI_COMMAND: 'GC' },
    config: config({ cniVersion: '1.0.0' }),
    code: 1,
    msg: /GC/,
  },
  {
    title: 'STATUS with a version that is no version',
    env: { CNI_COMMAND: 'STATUS' },
    config: config({ cniVersion: 'new' }),
    code: 6,
    msg: /'new'/,
  },
  {
    title: 'CHECK without prevResult',
    env: { CNI_COMMAND: 'CHECK' },
    code: 7,
    msg: /Required prevResult missing/,
  },
  {
    title: 'a capability of another type, by its path',
    config: config({ runtimeConfig: { portMappings: [{ hostPort: '80', containerPort: 80 }] } }),
    code: 6,
    msg: /^runtimeConfig\.portMappings\[0\]\.hostPort must be a whole number, not "80"$/,
  },
  {
    title: 'GC with an attachment that names no container',
    env: { CNI_COMMAND: 'GC' },
    config: config({ 'cni.dev/valid-attachments': [{ ifname: 'eth0' }] }),
    code: 7,
    msg: /^cni\.dev\/valid-attachments\[0\]\.containerID: is missing$/,
  },
  {
    title: 'a prevResult of the old shape under a new version',
    config: config({ prevResult: { cniVersion: '1.0.0', ip4: { ip: '10.0.0.2/24' } } }),
    code: 6,
    msg: /^prevResult\.ip4: not in a result of CNI 1\.0\.0$/,
  },
  {
    title: 'a prevResult of the new shape under an old version',
    config: config({ prevResult: { cniVersion: '0.2.0', ips: [{ address: '10.0.0.2/24' }] } }),
    code: 6,
    msg: /^prevResult\.ips: not in a result of CNI 0\.2\.0$/,
  },
  {
    title: 'a prevResult with a broken address, by its path',
    config: config({ prevResult: { cniVersion: '1.0.0', ips: [{ address: '10.0.0.1' }] } }),
    code: 7,
    msg: /^prevResult\.ips\[0\]\.address: '10\.0\.0\.1'/,
  },
]
for (const { title, env, config: sent = config(), supported, code, msg } of refused) {
  t.test(`refused: ${title}`, async t => {
    const never = async () => t.fail('the plugin was called')
    const plugin = fakePlugin({
      add: never as never,
      check: never as never,
      gc: never as never,
      status: never as never,
      ...(supported === undefined ? {} : { supportedVersions: supported }),
    })
    const { json, exitCode } = await callPlugin(plugin, { env: cniEnv(env), config: sent })
    t.match(json, { code, msg, cniVersion: String })
    t.equal(exitCode, 1)
  })
}

t.test('GC and STATUS need nothing but CNI_COMMAND and CNI_PATH', async t => {
  for (const CNI_COMMAND of ['GC', 'STATUS']) {
    const answer = await callPlugin(fakePlugin(), { env: { CNI_COMMAND, CNI_PATH: '/bin' } })
    t.match(answer, { stdout: '', exitCode: 0 })
  }
})

t.test('the plugin gets a checked request; keys match in any case, null is absent', async t => {
  const env = cniEnv({ CNI_NETNS_OVERRIDE: 'TRUE', CNI_ARGS: 'A=b', CNI_PATH: '/a:/b' })
  const sent = '{"CNIVERSION":"0.4.0","Name":"old","NAME":"net1","type":null,"prevResult":null}'
  const plugin = fakePlugin({
    add: async request => {
      t.match(request, {
        verb: 'ADD',
        containerId: 'container1',
        ifname: 'eth0',
        netns: '/run/netns/none',
        netnsOverride: true,
        args: 'A=b',
        pluginPath: ['/a', '/b'],
        config: { cniVersion: '0.4.0', name: 'net1', type: '', prevResult: undefined },
      })
      return emptyResult
    },
  })
  const { json } = await callPlugin(plugin, { env, config: sent })
  t.strictSame(json, { cniVersion: '0.4.0', dns: {} })
})

t.test(
  'DEL does not look at capabilities: what cannot be released would be asked for again',
  async t => {
    const env = cniEnv({ CNI_COMMAND: 'DEL' })
    const sent = config({ runtimeConfig: { portMappings: 'none' } })
    t.match(await callPlugin(fakePlugin(), { env, config: sent }), { stdout: '', exitCode: 0 })
  },
)

t.test('DEL works without a namespace', async t => {
  const env = cniEnv({ CNI_COMMAND: 'DEL', CNI_NETNS: undefined })
  t.match(await callPlugin(fakePlugin(), { env }), { stdout: '', exitCode: 0 })
})

t.test('GC tells an empty list of valid attachments from none', async t => {
  const seen: unknown[] = []
  const plugin = fakePlugin({
    gc: async request => {
      seen.push(request.validAttachments)
    },
  })
  const env = cniEnv({ CNI_COMMAND: 'GC' })
  const lists = [
    {},
    { 'cni.dev/valid-attachments': null },
    { 'cni.dev/valid-attachments': [] },
    { 'cni.dev/attachments': [{ containerID: 'a', ifname: 'eth0' }] },
  ]
  for (const list of lists) await callPlugin(plugin, { env, config: config(list) })
  t.strictSame(seen, [undefined, undefined, [], [{ containerId: 'a', ifname: 'eth0' }]])
})

t.test('errors keep their code and details and carry the version of the configuration', async t => {
  const plugin = fakePlugin({
    add: async () => {
      throw new CniError(cniCodes.tryAgainLater, 'busy\nnow', {
        details: 'all',
        cause: new Error('x'),
      })
    },
  })
  const { json, exitCode } = await callPlugin(plugin, { config: config({ cniVersion: '0.4.0' }) })
  t.strictSame(json, { cniVersion: '0.4.0', code: 11, msg: 'busy | now: x', details: 'all' })
  t.equal(exitCode, 1)
})

t.test('an error that nobody foresaw is code 999, its place is on stderr', async t => {
  const plugin = fakePlugin({
    add: async () => {
      throw new TypeError('oops')
    },
  })
  const { json, stderr } = await callPlugin(plugin)
  t.match(json, { code: 999, msg: 'oops' })
  t.match(stderr, /TypeError: oops\n +at /)
})

t.test('a result that the version of the configuration cannot say is an error', async t => {
  const { json } = await callPlugin(fakePlugin(), { config: config({ cniVersion: '0.2.0' }) })
  t.match(json, { code: 7, msg: /needs an IP address/ })
  const plugin = fakePlugin({ add: async () => ({ ...emptyResult, ips: [address] }) })
  const answer = await callPlugin(plugin, { config: config({ cniVersion: '0.2.0' }) })
  t.strictSame(answer.json, { cniVersion: '0.2.0', ip4: { ip: '10.0.0.2/24' }, dns: {} })
})

t.test('stdin that cannot be read is code 5', async t => {
  const { answerCall } = await import('#cni/spec/call.ts')
  const readStdin = async () => {
    throw new Error('EIO')
  }
  const host = {
    name: 'fake',
    version: '0',
    pluginFor: async () => fakePlugin(),
    writeStderr: () => {},
    clock: { now: () => 0, monotonic: () => 0, sleep: async () => {} },
    signal: new AbortController().signal,
  }
  const { stdout } = await answerCall({ env: cniEnv(), readStdin }, host)
  t.match(JSON.parse(stdout), { code: 5 })
})
