import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Journal } from '#cni/journal/journal.ts'
import { sweep } from '#cni/journal/sweep.ts'
import type { CallFrame } from '#cni/server/frame.ts'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import type { AttachmentRequest } from '#cni/spec/plugin.ts'
import { emptyResult } from '#cni/spec/result.ts'
import { NetworkNamespace } from '#linux/namespace.ts'

/** A namespace that is there as long as this process is. */
const OWN = '/proc/self/ns/net'

const env = { CNI_ARGS: 'IgnoreUnknown=1', CNI_PATH: '/opt/cni/bin:/usr/lib/cni', SECRET: 'x' }

const request = (changes: Partial<AttachmentRequest> = {}, fields = {}): AttachmentRequest => {
  const config = { cniVersion: '1.0.0', name: 'net', type: 'bridge', ...fields }
  return {
    verb: 'ADD',
    config: {
      cniVersion: '1.0.0',
      name: 'net',
      type: 'bridge',
      prevResult: undefined,
      fields: configObjectFrom(config),
    },
    args: '',
    pluginPath: [],
    raw: { stdin: Buffer.from(JSON.stringify(config)), env },
    containerId: 'c1',
    ifname: 'eth0',
    netns: OWN,
    netnsOverride: false,
    ...changes,
  }
}
const attachment = { network: 'net', containerId: 'c1', ifname: 'eth0' }

function open(t: Test, folder = join(t.testdir(), 'journal')) {
  const warnings: string[] = []
  const journal = Journal.open(folder, (_, message) => warnings.push(message))
  return { journal, folder, warnings }
}

/** Changes what is written about the only attachment. */
function rewrite(folder: string, changes: object): void {
  const [file = ''] = readdirSync(folder)
  const path = join(folder, file)
  const entry = JSON.parse(readFileSync(path, 'utf8')) as object
  writeFileSync(path, JSON.stringify({ ...entry, ...changes }))
}

t.test('an ADD is known from its beginning to its DEL, also by the next agent', async t => {
  const { journal, folder } = open(t)
  journal.begin('bridge', request())
  journal.begin('portmap', request({}, { type: 'portmap', prevResult: { ips: [] } }))
  journal.added('bridge', request(), emptyResult)
  for (const known of [journal, open(t, folder).journal]) {
    t.match(known.get(attachment), {
      ...attachment,
      netns: OWN,
      calls: [{ plugin: 'bridge' }, { plugin: 'portmap' }],
      result: { cniVersion: '1.0.0' },
    })
    t.notMatch(JSON.stringify(known.list()), /prevResult|SECRET/)
    t.notOk(known.list().some(entry => known.isGone(entry)))
  }
  t.equal(statSync(folder).mode & 0o777, 0o700)
  const [file = ''] = readdirSync(folder)
  t.equal(statSync(join(folder, file)).mode & 0o777, 0o600)
  journal.deleted('portmap', attachment)
  t.match(journal.get(attachment)?.calls, [{ plugin: 'bridge' }])
  journal.deleted('bridge', attachment)
  journal.deleted('bridge', attachment)
  t.strictSame(readdirSync(folder), [])
})

t.test('an ADD that is repeated is one call', async t => {
  const { journal } = open(t)
  for (let count = 0; count < 3; count++) journal.begin('bridge', request())
  t.equal(journal.get(attachment)?.calls.length, 1)
})

t.test('GC of a plugin ends what is not valid, in its own network', async t => {
  const { journal } = open(t)
  for (const containerId of ['c1', 'c2']) journal.begin('bridge', request({ containerId }))
  journal.collected('bridge', 'other', () => false)
  t.equal(journal.list().length, 2)
  journal.collected('bridge', 'net', ({ containerId }) => containerId === 'c2')
  t.match(journal.list(), [{ containerId: 'c2' }])
})

const own = NetworkNamespace.own()
const goings: readonly { title: string; changes: object; isGone: boolean }[] = [
  { title: 'its namespace is there', changes: {}, isGone: false },
  { title: 'nothing is at the path', changes: { netns: '/run/netns/gone' }, isGone: true },
  { title: 'a file is at the path', changes: { netns: '/etc/hostname' }, isGone: true },
  { title: 'another namespace is at the path', changes: { identity: '4:1' }, isGone: true },
  {
    title: 'a later namespace is at the path and has its number',
    changes: { identity: `${own.identity}:0` },
    isGone: true,
  },
  {
    title: 'its namespace is there, and was written down without a cookie',
    changes: { identity: own.identity },
    isGone: false,
  },
  { title: 'the machine was started anew', changes: { bootId: 'before' }, isGone: true },
  {
    title: 'the machine was started anew, and the node has another namespace since',
    changes: { bootId: 'before', host: '4:1' },
    isGone: true,
  },
]
for (const { title, changes, isGone } of goings) {
  t.test(`a container ${isGone ? 'has gone' : 'lives'} when ${title}`, async t => {
    const { journal, folder } = open(t)
    journal.begin('bridge', request())
    rewrite(folder, changes)
    const next = open(t, folder).journal
    t.strictSame(
      next.list().map(entry => next.isGone(entry)),
      [isGone],
    )
  })
}

t.test("another node's attachments, simulated on this machine, are left to it", async t => {
  const { journal, folder } = open(t)
  journal.begin('bridge', request())
  rewrite(folder, { host: '4:1', netns: '/run/netns/gone' })
  t.strictSame(open(t, folder).journal.list(), [])
  t.equal(readdirSync(folder).length, 1)
})

t.test('damaged records go, unfinished ones too, files of others stay', async t => {
  const { folder } = open(t)
  writeFileSync(join(folder, `${'0'.repeat(32)}.json`), '{')
  writeFileSync(join(folder, `${'1'.repeat(32)}.json`), '{"calls":[7]}')
  writeFileSync(join(folder, `${'2'.repeat(32)}.json.new`), '{')
  writeFileSync(join(folder, 'README'), 'theirs')
  const { journal, warnings } = open(t, folder)
  t.strictSame(journal.list(), [])
  t.strictSame(readdirSync(folder), ['README'])
  t.equal(warnings.length, 2)
})

t.test('what cannot be written down is known all the same, and said', async t => {
  const { journal, folder, warnings } = open(t)
  journal.begin('bridge', request())
  const [file = ''] = readdirSync(folder)
  journal.deleted('bridge', attachment)
  mkdirSync(join(folder, `${file}.new`))
  journal.begin('bridge', request())
  t.equal(journal.list().length, 1)
  t.strictSame(warnings, ['attachment not written down'])
})

t.test('a folder that cannot be made keeps nobody from working', async t => {
  const { journal, warnings } = open(t, join(t.testdir({ file: '' }), 'file/journal'))
  t.strictSame(warnings, ['attachments not written down'])
  journal.begin('bridge', request())
  t.equal(journal.list().length, 1)
})

/** A journal with a chain of two plugins, whose container has gone. */
function goneChain(t: Test): Journal {
  const { journal, folder } = open(t)
  journal.begin('bridge', request())
  journal.begin('portmap', request({}, { type: 'portmap' }))
  journal.added('bridge', request(), emptyResult)
  rewrite(folder, { bootId: 'before' })
  return open(t, folder).journal
}

const never = new AbortController().signal
const done = { exitCode: 0, stdout: '', stderr: '' }

t.test('a sweep undoes the chain backwards, as a runtime without the namespace would', async t => {
  const journal = goneChain(t)
  const calls: CallFrame[] = []
  const { removed, failed } = await sweep(
    journal,
    async call => {
      calls.push(call)
      journal.deleted(call.name, attachment)
      return done
    },
    never,
  )
  t.match(removed, [attachment])
  t.strictSame(failed, [])
  t.strictSame(
    calls.map(({ name }) => name),
    ['portmap', 'bridge'],
  )
  t.match(calls[0]?.env, {
    CNI_COMMAND: 'DEL',
    CNI_CONTAINERID: 'c1',
    CNI_IFNAME: 'eth0',
    CNI_NETNS: '',
    CNI_ARGS: 'IgnoreUnknown=1',
    CNI_PATH: '/opt/cni/bin:/usr/lib/cni',
  })
  t.match(JSON.parse(Buffer.from(calls[0]?.config ?? []).toString()), {
    type: 'portmap',
    prevResult: { cniVersion: '1.0.0' },
  })
})

t.test('a plugin that fails is asked again by the next sweep, the others are done', async t => {
  const journal = goneChain(t)
  const { removed, failed } = await sweep(
    journal,
    async ({ name }) => {
      if (name === 'portmap') return { ...done, exitCode: 1, stdout: '{"msg":"busy"}\n' }
      journal.deleted(name, attachment)
      return done
    },
    never,
  )
  t.strictSame(removed, [])
  t.match(failed, [{ entry: attachment, reason: '{"msg":"busy"}' }])
  t.match(journal.get(attachment)?.calls, [{ plugin: 'portmap' }])
})

t.test('an attachment that is added anew while the sweep waits stays', async t => {
  const journal = goneChain(t)
  const wanted: boolean[] = []
  const { removed } = await sweep(
    journal,
    async (_, __, isStillWanted) => {
      wanted.push(isStillWanted())
      journal.begin('bridge', request())
      wanted.push(isStillWanted())
      return undefined
    },
    never,
  )
  t.strictSame(wanted, [true, false, false, false])
  t.strictSame(removed, [])
  t.equal(journal.list().length, 1)
})
