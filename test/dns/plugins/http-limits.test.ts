import t from 'tap'
import { parseCorefile } from '#dns/corefile/parser.ts'
import { grpcServerLimits } from '#dns/plugins/grpc_server/plugin.ts'
import { httpsLimits } from '#dns/plugins/https/plugin.ts'
import { planServers } from '#dns/server/plan.ts'
import { directives } from '../../helper/dns.ts'

t.test('what the listeners are told', async t => {
  t.strictSame(httpsLimits(directives('https {\nmax_connections 7\n}')), { maxConnections: 7 })
  t.strictSame(httpsLimits(directives('https {\nmax_connections 0\n}')), {
    maxConnections: 65_535,
  })
  t.strictSame(grpcServerLimits(directives('grpc_server {\nmax_streams 3\nmax_connections 5\n}')), {
    maxStreams: 3,
    maxConnections: 5,
  })
  t.strictSame(httpsLimits(directives('whoami')), {})
})

t.test('the limits are those of their protocol', async t => {
  const text = `. https://. grpc://.:444 {
    tls a b
    https {
      max_connections 7
    }
    grpc_server {
      max_streams 3
    }
    timeouts {
      idle 9s
    }
    whoami
  }`
  const { blocks } = parseCorefile(text, 'Corefile', { env: {}, read: () => '', glob: () => [] })
  const { listeners } = planServers(blocks, { defaultPort: 53, bindOf: () => [] })
  const limits = [...listeners].map(([key, { limits }]) => [key, limits])
  t.strictSame(limits, [
    ['dns://:53', { idleMs: 9000 }],
    ['https://:443', { idleMs: 9000, maxConnections: 7 }],
    ['grpc://:444', { idleMs: 9000, maxStreams: 3 }],
  ])
})

for (const [text, message] of [
  ['https 5', /https: takes no argument, but max_connections in braces/],
  ['https {\nmax_streams 5\n}', /Corefile:3: https max_streams: unknown option/],
  ['https {\nmax_connections -1\n}', /needs a number, 0 to 65535/],
  ['https {\nmax_connections 1 2\n}', /needs a number/],
] as const) {
  t.test(`refuses ${text.replaceAll('\n', ' ')}`, async t =>
    t.throws(() => httpsLimits(directives(text)), message),
  )
}
