import t from 'tap'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import { checkRuntimeConfig } from '#cni/spec/runtime-config.ts'

const check = (runtimeConfig?: unknown) => checkRuntimeConfig(configObjectFrom({ runtimeConfig }))

t.test(
  'every capability passes, with the capital letters of one runtime too, and unknown ones',
  async t => {
    t.doesNotThrow(() => check())
    t.doesNotThrow(() =>
      check({
        portMappings: [
          { HostPort: 8080, ContainerPort: 80, Protocol: 'UDP', HostIP: '192.0.2.1' },
          { hostPort: 0, containerPort: 81, hostIP: '' },
        ],
        bandwidth: { IngressRate: 1000, IngressBurst: 2000, egressRate: 3000 },
        ips: ['10.0.0.5/24'],
        mac: '02:00:00:00:00:01',
        dns: { Servers: ['10.96.0.10'], Searches: ['a.b'], Options: ['ndots:5'] },
        aliases: ['web'],
        'io.kubernetes.cri.pod-annotations': { a: 'b' },
      }),
    )
  },
)

const refused: readonly { title: string; value: unknown; want: RegExp }[] = [
  { title: 'no object', value: [], want: /^runtimeConfig must be an object/ },
  {
    title: 'no list',
    value: { portMappings: {} },
    want: /^runtimeConfig\.portMappings must be a list/,
  },
  {
    title: 'a port that is a text',
    value: { portMappings: [{}, { HostPort: '80' }] },
    want: /^runtimeConfig\.portMappings\[1\]\.hostPort must be a whole number, not "80"/,
  },
  {
    title: 'a protocol that is a number',
    value: { portMappings: [{ protocol: 6 }] },
    want: /portMappings\[0\]\.protocol must be a string/,
  },
  { title: 'half a bit', value: { bandwidth: { egressRate: 0.5 } }, want: /bandwidth\.egressRate/ },
  {
    title: 'a MAC that is a number',
    value: { mac: 1 },
    want: /^runtimeConfig\.mac must be a string/,
  },
  { title: 'an address that is a number', value: { ips: [1] }, want: /ips\[0\] must be a string/ },
  { title: 'an alias that is an object', value: { aliases: [{}] }, want: /aliases\[0\] must be/ },
  { title: 'DNS that is a list', value: { dns: [] }, want: /runtimeConfig\.dns must be an object/ },
  { title: 'one server', value: { dns: { servers: '::1' } }, want: /dns\.servers must be a list/ },
]
for (const { title, value, want } of refused) {
  t.test(`refused with the field's path: ${title}`, async t => {
    t.throws(() => check(value), { cniCode: 6, message: want })
  })
}
