import t from 'tap'
import { configObjectFrom } from '#cni/spec/config-object.ts'
import { CniError } from '#cni/spec/error.ts'
import { runtimeConfigFrom } from '#cni/spec/runtime-config.ts'

const read = (runtimeConfig?: unknown) => runtimeConfigFrom(configObjectFrom({ runtimeConfig }))

const nothing = {
  portMappings: [],
  bandwidth: undefined,
  ips: [],
  mac: '',
  dns: undefined,
  aliases: [],
}

t.test('without capabilities there is nothing; unknown ones are passed over', async t => {
  t.strictSame(runtimeConfigFrom(configObjectFrom({})), nothing)
  t.strictSame(read({ deviceID: 1, 'io.kubernetes.cri.pod-annotations': {} }), nothing)
})

t.test('every capability, with the capital letters of one runtime', async t => {
  t.strictSame(
    read({
      portMappings: [
        { HostPort: 8080, ContainerPort: 80, Protocol: 'UDP', HostIP: '192.0.2.1' },
        { hostPort: 0, containerPort: 81, hostIP: '' },
      ],
      bandwidth: { IngressRate: 1000, IngressBurst: 2000, egressRate: 3000 },
      ips: ['10.0.0.5/24'],
      mac: '02:00:00:00:00:01',
      dns: { Servers: ['10.96.0.10'], Searches: ['a.b'], Options: ['ndots:5'] },
      aliases: ['web'],
    }),
    {
      portMappings: [
        { hostPort: 8080, containerPort: 80, protocol: 'udp', hostIP: '192.0.2.1' },
        { hostPort: 0, containerPort: 81, protocol: 'tcp', hostIP: undefined },
      ],
      bandwidth: { ingressRate: 1000, ingressBurst: 2000, egressRate: 3000, egressBurst: 0 },
      ips: ['10.0.0.5/24'],
      mac: '02:00:00:00:00:01',
      dns: { servers: ['10.96.0.10'], searches: ['a.b'], options: ['ndots:5'] },
      aliases: ['web'],
    },
  )
})

const refused: readonly { title: string; value: unknown; code: number; want: RegExp }[] = [
  { title: 'no object', value: [], code: 6, want: /^runtimeConfig must be an object/ },
  {
    title: 'port mappings that are no list',
    value: { portMappings: {} },
    code: 6,
    want: /^runtimeConfig\.portMappings must be a list/,
  },
  {
    title: 'a port above the highest',
    value: { portMappings: [{ hostPort: 65536, containerPort: 80 }] },
    code: 7,
    want: /portMappings\[0\]\.hostPort: 65536 is no port/,
  },
  {
    title: 'no container port',
    value: { portMappings: [{ hostPort: 80 }] },
    code: 7,
    want: /portMappings\[0\]\.containerPort: 0 is no port/,
  },
  {
    title: 'a protocol that is none',
    value: { portMappings: [{ hostPort: 80, containerPort: 80, protocol: 'icmp' }] },
    code: 7,
    want: /portMappings\[0\]\.protocol: 'icmp'/,
  },
  {
    title: 'an address that is none',
    value: { portMappings: [{ hostPort: 80, containerPort: 80, hostIP: 'here' }] },
    code: 7,
    want: /portMappings\[0\]\.hostIP: 'here'/,
  },
  {
    title: 'a rate below 0',
    value: { bandwidth: { egressRate: -1 } },
    code: 7,
    want: /egressRate/,
  },
  { title: 'a MAC of another type', value: { mac: 1 }, code: 6, want: /^runtimeConfig\.mac must/ },
  { title: 'an address of another type', value: { ips: [1] }, code: 6, want: /ips\[0\] must be/ },
  { title: 'an alias of another type', value: { aliases: [{}] }, code: 6, want: /aliases\[0\]/ },
  { title: 'DNS that is a list', value: { dns: [] }, code: 6, want: /runtimeConfig\.dns must/ },
]
for (const { title, value, code, want } of refused) {
  t.test(`refused with the field's path: ${title}`, async t => {
    try {
      read(value)
      t.fail('was accepted')
    } catch (error) {
      t.ok(error instanceof CniError && error.cniCode === code, String(error))
      t.match((error as Error).message, want)
    }
  })
}
