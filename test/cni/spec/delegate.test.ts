import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { CniHost } from '#cni/spec/call.ts'
import { findExecutable } from '#cni/spec/delegate.ts'
import { addIpam, ipamTypeOf } from '#cni/spec/ipam.ts'
import type { CniPlugin } from '#cni/spec/plugin.ts'
import { emptyResult } from '#cni/spec/result.ts'
import { type IpPrefix, parsePrefix } from '#net/prefix.ts'
import { callPlugin, cniEnv, fakePlugin, type TestAnswer } from '../../helper/cni.ts'

/** A plugin that answers every verb by asking its IPAM plugin. */
const asking: CniPlugin = fakePlugin({
  add: async (request, context) => addIpam(ipamTypeOf(request.config) ?? '', request, context),
  del: async (request, context) => context.delegate.run('DEL', 'ipam', request),
  status: async (request, context) => context.delegate.run('STATUS', 'ipam', request),
})

const config = {
  cniVersion: '1.1.0',
  name: 'net1',
  type: 'asking',
  ipam: { type: 'ipam' },
  extra: 1,
}
const result =
  '{"cniVersion":"1.0.0","interfaces":[{"name":"x"}],"ips":[{"address":"10.0.0.2/24","interface":0}]}'

/** Calls `asking` with a delegate that logs its verb and then runs `script`. */
async function ask(
  t: Test,
  script: string,
  command = 'ADD',
  host: Partial<CniHost> = {},
): Promise<TestAnswer & { folder: string }> {
  const folder = t.testdir()
  const program = join(folder, 'ipam')
  await writeFile(program, `#!/bin/sh\necho $CNI_COMMAND >>${folder}/log\n${script}\n`)
  await chmod(program, 0o755)
  const env = cniEnv({ CNI_COMMAND: command, CNI_PATH: `/nonexistent:${folder}` })
  return { folder, ...(await callPlugin(asking, { env, config }, host)) }
}

t.test(
  'ADD: the delegate gets our stdin and environment, we its result without interfaces',
  async t => {
    const script = `cat >$0.stdin; env | grep ^CNI_ | sort >$0.env; echo noise >&2; echo '${result}'`
    const { folder, json, stderr } = await ask(t, script)
    t.strictSame(json, { cniVersion: '1.1.0', ips: [{ address: '10.0.0.2/24' }] })
    t.equal(stderr, 'noise\n')
    t.equal(await read(folder, 'ipam.stdin'), JSON.stringify(config))
    t.match(await read(folder, 'ipam.env'), /CNI_COMMAND=ADD\nCNI_CONTAINERID=container1\n/)
    t.equal(await read(folder, 'log'), 'ADD\n')
  },
)

const failures = [
  {
    title: 'its error object is passed on and its DEL called',
    script: `[ $CNI_COMMAND = DEL ] || { echo '{"code":11,"msg":"full","details":"d"}'; exit 1; }`,
    want: { code: 11, msg: 'ipam: full', details: 'd' },
  },
  {
    title: 'a failure without an error object shows what it said on stderr',
    script: '[ $CNI_COMMAND = DEL ] || { echo killed >&2; exit 3; }',
    want: { code: 999, msg: /ipam: .*exit status 3: killed/ },
  },
  { title: 'success without a result is code 6', script: 'true', want: { code: 6 } },
  { title: 'a result that is not JSON is code 6', script: 'echo yes', want: { code: 6 } },
  {
    title: 'a result without an address is an error',
    script: 'echo "{}"',
    want: { code: 7, msg: /missing IP config/ },
  },
]
for (const { title, script, want } of failures) {
  t.test(`ADD fails: ${title}`, async t => {
    const { folder, json, exitCode } = await ask(t, script)
    t.match(json, want)
    t.equal(exitCode, 1)
    t.equal(await read(folder, 'log'), 'ADD\nDEL\n')
  })
}

t.test(
  'when DEL fails as well, the first error is reported and the second is on stderr',
  async t => {
    const { json, stderr } = await ask(
      t,
      'echo "{\\"code\\":5,\\"msg\\":\\"no $CNI_COMMAND\\"}"; exit 1',
    )
    t.match(json, { code: 5, msg: 'ipam: no ADD' })
    t.match(stderr, /no DEL/)
  },
)

t.test('other verbs pass the error on and need no output', async t => {
  t.match(await ask(t, 'true', 'STATUS'), { stdout: '', exitCode: 0 })
  const { json } = await ask(t, `echo '{"code":50,"msg":"full"}'; exit 1`, 'STATUS')
  t.match(json, { code: 50, msg: 'ipam: full' })
})

t.test('a delegate that is our own runs in this process, as if it were a program', async t => {
  const own = fakePlugin({
    add: async request => {
      t.match(request, { verb: 'ADD', config: { name: 'net1' }, containerId: 'container1' })
      return { ...emptyResult, ips: [{ address: parsePrefix('10.0.0.9/24') as IpPrefix }] }
    },
  })
  const { folder, json } = await ask(t, 'exit 1', 'ADD', { findOwnPlugin: async () => own })
  t.strictSame(json, { cniVersion: '1.1.0', ips: [{ address: '10.0.0.9/24' }] })
  await t.rejects(read(folder, 'log'), { code: 'ENOENT' })
})

t.test('an executable is the first regular file of its name; anything else is code 7', async t => {
  const folder = t.testdir({ a: { ipam: {} }, b: { ipam: 'x' } })
  t.equal(findExecutable('ipam', [`${folder}/a`, `${folder}/b`]), `${folder}/b/ipam`)
  t.throws(() => findExecutable('other', ['/x', '/y']), { cniCode: 7, message: /"other".*\/x \/y/ })
  for (const type of ['../ipam', 'b/ipam', '..', '']) {
    t.throws(() => findExecutable(type, [folder]), { cniCode: 7, message: /is not a file name/ })
  }
})

const read = (folder: string, name: string) => readFile(join(folder, name), 'utf8')
