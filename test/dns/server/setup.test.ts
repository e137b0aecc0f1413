import t from 'tap'
import { registry } from '../../../src/dns/plugins/registry.ts'
import { setupBlock } from '../../../src/dns/server/setup.ts'
import { ConfigError } from '../../../src/runtime/error.ts'
import { directives, query, setupContext } from '../../helper/dns.ts'

const problemsOf = async (text: string): Promise<readonly string[]> => {
  try {
    await setupBlock(directives(text), setupContext())
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.message.split('\n')
  }
}

const wrong: readonly { title: string; text: string; want: readonly RegExp[] }[] = [
  {
    title: 'an unknown directive',
    text: 'whoami\nwhoamI',
    want: [/^Corefile:3: unknown directive 'whoamI'; --plugins lists/],
  },
  {
    title: 'a plugin of CoreDNS that is not here',
    text: 'geoip @kubernetes',
    want: [/^Corefile:2: 'geoip' is a plugin of CoreDNS that is not supported; use view/],
  },
  {
    title: 'a plugin twice that may stand once',
    text: 'errors\nlog\nlog\nerrors',
    want: [/^Corefile:5: errors: may stand once in a server block, and does in line 2/],
  },
  {
    title: 'several problems, all told',
    text: 'nope\nwhoami x\nreload 1s\nhealth {\n lameduck soon\n}',
    want: [
      /Corefile:2: unknown/,
      /Corefile:4: reload: '1s' is not a duration of 2s or more/,
      /Corefile:6: lameduck: 'soon' is no duration/,
      /Corefile:3: whoami: takes no argument/,
    ],
  },
]
for (const { title, text, want } of wrong) {
  t.test(`refuses ${title}`, async t => {
    const problems = await problemsOf(text)
    t.equal(problems.length, want.length)
    t.match(problems, want)
  })
}

t.test('plugins stand in the order of the registry, whatever the order of the file', async t => {
  const { plugins } = await setupBlock(
    directives('whoami\nlog\nerrors\nprometheus'),
    setupContext(),
  )
  t.strictSame(
    plugins.map(({ name }) => name),
    ['prometheus', 'errors', 'log', 'whoami'],
  )
})

t.test('a block without a plugin that takes queries has no handler', async t => {
  t.equal(
    (await setupBlock(directives('health\nready\nreload'), setupContext())).handler,
    undefined,
  )
})

t.test('behind the last plugin there is no answer', async t => {
  const { handler } = await setupBlock(directives('log'), setupContext())
  await t.rejects(async () => handler?.(query(), new AbortController().signal), {
    code: 'ERR_DNS_UNANSWERED',
    rcode: 'SERVFAIL',
  })
})

t.test('every name of the registry stands there once', async t => {
  const names = registry.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
})

t.test('every plugin answers to the name it is registered by', async t => {
  for (const { name, load } of registry) {
    if (load !== undefined) t.equal((await load()).name, name)
  }
})
