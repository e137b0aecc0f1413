import t from 'tap'
import { staticIpam } from '#cni/static/static.ts'
import { callPlugin, cniEnv } from '../../helper/cni.ts'

const addresses = [
  { address: '10.9.0.5/24', gateway: '10.9.0.1' },
  { Address: 'fd00:9::5/64', Gateway: '' },
]

type Case = {
  readonly title: string
  readonly ipam?: object | undefined
  readonly more?: object
  readonly args?: string
}

const call = (verb: string, { ipam = { addresses }, more = {}, args = '' }: Case) =>
  callPlugin(staticIpam, {
    env: cniEnv({ CNI_COMMAND: verb, CNI_ARGS: args }),
    config: { cniVersion: '1.1.0', name: 'net', type: 'bridge', ipam, ...more },
  })

const answers: readonly (Case & { readonly want: object })[] = [
  {
    title: 'addresses, routes and dns as they are written',
    ipam: {
      addresses,
      routes: [{ dst: '0.0.0.0/0', gw: '10.9.0.254', mtu: 1400 }],
      dns: { nameservers: ['10.9.0.53'], search: ['example.org'] },
    },
    want: {
      ips: [{ address: '10.9.0.5/24', gateway: '10.9.0.1' }, { address: 'fd00:9::5/64' }],
      routes: [{ dst: '0.0.0.0/0', gw: '10.9.0.254', mtu: 1400 }],
      dns: { nameservers: ['10.9.0.53'], search: ['example.org'] },
    },
  },
  {
    title: 'addresses of CNI_ARGS come after the configured ones, gateways to where they belong',
    args: 'IgnoreUnknown=1;K8S_POD_NAME=p;IP=10.8.0.5/24,fd00:8::5/64;GATEWAY=fd00:8::1,10.8.0.1',
    want: {
      ips: [
        { address: '10.9.0.5/24', gateway: '10.9.0.1' },
        { address: 'fd00:9::5/64' },
        { address: '10.8.0.5/24', gateway: '10.8.0.1' },
        { address: 'fd00:8::5/64', gateway: 'fd00:8::1' },
      ],
    },
  },
  {
    title: 'args.cni.ips replace them',
    args: 'IP=10.8.0.5/24;GATEWAY=10.7.0.1',
    more: { args: { cni: { ips: ['10.7.0.5/24'] } } },
    want: { ips: [{ address: '10.7.0.5/24', gateway: '10.7.0.1' }] },
  },
  {
    title: 'runtimeConfig.ips replace these too',
    more: { args: { cni: { ips: ['10.7.0.5/24'] } }, runtimeConfig: { ips: ['10.6.0.5/24'] } },
    want: { ips: [{ address: '10.6.0.5/24' }] },
  },
]

for (const each of answers) {
  t.test(each.title, async t => {
    const { json } = await call('ADD', each)
    t.strictSame(json, { cniVersion: '1.1.0', ...each.want })
  })
}

const refusals: readonly (Case & { readonly code: number; readonly want: RegExp })[] = [
  {
    title: 'an address without length',
    ipam: { addresses: [{ address: '10.9.0.5' }] },
    code: 7,
    want: /ipam\.addresses\[0\]\.address: '10\.9\.0\.5' is not ADDRESS\/LENGTH/,
  },
  {
    title: 'no address in an entry',
    ipam: { addresses: [{}] },
    code: 7,
    want: /ipam\.addresses\[0\]\.address: is missing/,
  },
  {
    title: 'an address of the wrong type',
    ipam: { addresses: [{ address: 5 }] },
    code: 6,
    want: /ipam\.addresses\[0\]\.address must be a string, not 5/,
  },
  {
    title: 'a gateway of the other family',
    ipam: { addresses: [{ address: '10.9.0.5/24', gateway: '::1' }] },
    code: 7,
    want: /ipam\.addresses\[0\]\.gateway: '::1' is not of the address's family/,
  },
  { title: 'no ipam', more: { ipam: null }, code: 7, want: /ipam: is missing/ },
  {
    title: 'a wish without length',
    more: { runtimeConfig: { ips: ['10.9.0.5/24', '10.9.0.6'] } },
    code: 7,
    want: /runtimeConfig\.ips\[1\]: '10\.9\.0\.6'/,
  },
  { title: 'CNI_ARGS without length', args: 'IP=10.9.0.5', code: 4, want: /IP '10\.9\.0\.5'/ },
  { title: 'CNI_ARGS with a bad gateway', args: 'GATEWAY=x', code: 4, want: /GATEWAY 'x'/ },
  { title: 'unknown CNI_ARGS', args: 'MAC=x', code: 4, want: /unknown args MAC/ },
  {
    title: 'two addresses of a family for an old version',
    more: { cniVersion: '0.2.0', runtimeConfig: { ips: ['10.9.0.5/24', '10.9.0.6/24'] } },
    code: 7,
    want: /ipam\.addresses: CNI version 0\.2\.0 allows only 1 address per family/,
  },
]

for (const { title, code, want, ...rest } of refusals) {
  t.test(`refused: ${title}`, async t => {
    t.match((await call('ADD', { title, ...rest })).json, { code, msg: want })
    // DEL must not be kept from succeeding by what kept ADD.
    t.equal((await call('DEL', { title, ...rest })).exitCode, 0)
  })
}

t.test('CHECK wants its addresses in prevResult, whatever others are there', async t => {
  const result = (...ips: string[]) => ({ prevResult: { ips: ips.map(address => ({ address })) } })
  const all = result('10.1.0.1/8', '10.9.0.5/24', 'fd00:9::5/64')
  t.equal((await call('CHECK', { title: '', more: all })).exitCode, 0)
  const { json } = await call('CHECK', { title: '', more: result('10.9.0.5/24') })
  t.match(json, { code: 100, msg: /fd00:9::5\/64/ })
})

t.test('STATUS says what is wrong with the configuration', async t => {
  t.equal((await call('STATUS', { title: '' })).exitCode, 0)
  const { json } = await call('STATUS', { title: '', ipam: { addresses: [{}] } })
  t.match(json, { code: 7 })
})
