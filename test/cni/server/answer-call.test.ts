import t from 'tap'
import { createCallHandler } from '#cni/server/answer-call.ts'
import type { CallFrame } from '#cni/server/frame.ts'
import type { CallWatcher } from '#cni/spec/call.ts'
import type { CniPlugin } from '#cni/spec/plugin.ts'
import { emptyResult } from '#cni/spec/result.ts'
import { systemClock } from '#runtime/clock.ts'
import { cniEnv, fakePlugin } from '../../helper/cni.ts'

const frame = (env: NodeJS.ProcessEnv = {}, config: object = {}): CallFrame => ({
  name: '/opt/cni/bin/fake',
  self: '/opt/cni/bin/fake',
  env: cniEnv(env),
  config: Buffer.from(JSON.stringify({ cniVersion: '1.1.0', name: 'net', ...config })),
})

const silent: CallWatcher = {
  whyNotReady: () => undefined,
  adding: () => {},
  added: (_plugin, _request, result) => result,
  deleted: () => {},
  collected: () => {},
}

function handler(changes: Partial<CniPlugin>, watcher: Partial<CallWatcher> = {}) {
  const measured: string[] = []
  const { answer } = createCallHandler({
    version: '0',
    loadPlugin: async name => fakePlugin({ name, ...changes }),
    watcher: { ...silent, ...watcher },
    metrics: {
      answered: ({ command, plugin, isOk }) => measured.push(`${command} ${plugin} ${isOk}`),
      reclaimed: () => {},
    },
    clock: systemClock,
  })
  return { answer, measured }
}

const never = new AbortController().signal

t.test('a DEL waits for the ADD of its interface, other containers do not', async t => {
  const order: string[] = []
  const gate = Promise.withResolvers<void>()
  const { answer } = handler({
    add: async ({ containerId }) => {
      if (containerId === 'container1') await gate.promise
      order.push(`ADD ${containerId}`)
      return emptyResult
    },
    del: async ({ containerId }) => {
      order.push(`DEL ${containerId}`)
    },
  })
  const adding = answer(frame(), never)
  const deleting = answer(frame({ CNI_COMMAND: 'DEL' }), never)
  await answer(frame({ CNI_CONTAINERID: 'other' }), never)
  gate.resolve()
  await Promise.all([adding, deleting])
  t.strictSame(order, ['ADD other', 'ADD container1', 'DEL container1'])
})

t.test('an ADD that was given up while it waited is not begun; a DEL is done', async t => {
  const gate = Promise.withResolvers<void>()
  const seen: string[] = []
  const { answer } = handler({
    add: async () => {
      seen.push('ADD')
      await gate.promise
      return emptyResult
    },
    del: async () => {
      seen.push('DEL')
    },
  })
  const gaveUp = new AbortController()
  const calls = [
    answer(frame(), never),
    answer(frame(), gaveUp.signal),
    answer(frame({ CNI_COMMAND: 'DEL' }), gaveUp.signal),
  ]
  gaveUp.abort()
  gate.resolve()
  await Promise.all(calls)
  t.strictSame(seen, ['ADD', 'DEL'])
})

t.test('the watcher hears of what succeeded, changes the result, and answers STATUS', async t => {
  const heard: string[] = []
  const { answer, measured } = handler(
    {},
    {
      whyNotReady: () => 'cluster: not listed yet',
      added: (plugin, { containerId }, result) => {
        heard.push(`added ${plugin} ${containerId}`)
        return { ...result, dns: { nameservers: ['10.96.0.10'] } }
      },
      deleted: plugin => heard.push(`deleted ${plugin}`),
      collected: (_plugin, { validAttachments }) => heard.push(`kept ${validAttachments?.length}`),
    },
  )
  const added = await answer(frame(), never)
  t.match(JSON.parse(added.stdout), { dns: { nameservers: ['10.96.0.10'] } })
  await answer(frame({ CNI_COMMAND: 'DEL' }), never)
  await answer(frame({ CNI_COMMAND: 'GC' }, { 'cni.dev/valid-attachments': [] }), never)
  const status = await answer(frame({ CNI_COMMAND: 'STATUS' }), never)
  t.match(JSON.parse(status.stdout), { code: 50, msg: 'cluster: not listed yet' })
  t.strictSame(heard, ['added fake container1', 'deleted fake', 'kept 0'])
  t.strictSame(measured, [
    'ADD unknown true',
    'DEL unknown true',
    'GC unknown true',
    'STATUS unknown false',
  ])
})

t.test('the watcher does not hear of what failed', async t => {
  const fails = async () => {
    throw new Error('no')
  }
  const heard = () => t.fail('was told')
  const { answer } = handler(
    { add: fails, del: fails, gc: fails },
    { added: heard as never, deleted: heard, collected: heard },
  )
  for (const CNI_COMMAND of ['ADD', 'DEL', 'GC']) {
    const { exitCode, stderr } = await answer(frame({ CNI_COMMAND }), never)
    t.equal(exitCode, 1)
    t.match(stderr, /Error: no/, 'the place of a bug is told')
  }
})
