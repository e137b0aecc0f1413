import t from 'tap'
import { chooseName, whyWrong } from '#agent/health/dns-probe.ts'
import { whyOther } from '#agent/health/routes-probe.ts'
import { chooseService } from '#agent/health/service-choice.ts'
import type { EndpointSlice, Service } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import type { Message } from '#dns/message.ts'
import type { IpAddress } from '#net/ip.ts'
import * as cluster from '../../helper/cluster.ts'
import { endpoint, namespace, service, slice } from '../../helper/zone-cluster.ts'

const ip = (text: string) => text as IpAddress
const ports = [cluster.servicePort({ name: 'https', protocol: 'TCP', port: 443 })]
const named = (key: string, address: string, more: Partial<Service> = {}): Service => {
  const [namespace = '', name = ''] = key.split('/')
  return { ...service({ name, namespace, ips: [address] }), ports, ...more }
}
const endpointsOf = (key: string, ready: boolean): EndpointSlice => {
  const [namespace = '', name = ''] = key.split('/')
  const made = slice({ of: name, namespace, endpoints: [endpoint('192.0.2.1', { ready })] })
  return made
}
const storeOf = (services: readonly Service[], slices: readonly EndpointSlice[] = []) => {
  const store = new Store()
  store.replaceAll('Service', services)
  store.replaceAll('EndpointSlice', slices)
  store.replaceAll(
    'Namespace',
    ['shop', 'default'].map(name => namespace(name)),
  )
  return store
}

t.test('a probe connects to the API server, else to the cluster DNS, else to nobody', async t => {
  const api = 'default/kubernetes'
  const dns = 'kube-system/kube-dns'
  const chosen = (services: readonly Service[], ready: readonly string[], local: string[] = []) =>
    chooseService(
      storeOf(services, [
        ...ready.map(key => endpointsOf(key, true)),
        ...services
          .map(({ metadata: { namespace, name } }) => `${namespace}/${name}`)
          .filter(key => !ready.includes(key))
          .map(key => endpointsOf(key, false)),
      ]),
      local.map(ip),
    )?.service
  const both = [named(api, '10.96.0.1'), named(dns, '10.96.0.10')]
  t.equal(chosen(both, [api, dns]), api)
  t.equal(chosen(both, [dns]), dns, 'no API server is ready')
  t.equal(chosen(both, [dns], ['10.96.0.10']), undefined, 'this node answers for it')
  t.equal(chosen([named('shop/web', '10.96.0.20')], ['shop/web']), undefined, 'an application')
  const local = [named(api, '10.96.0.1', { internalTrafficPolicy: 'Local' })]
  t.equal(chosen(local, [api]), undefined, 'this node may have no endpoint')
})

t.test('DNS is asked for a name that must exist', async t => {
  const all = {
    namespaces: undefined,
    selectsNamespace: undefined,
    ignoreEmptyServices: false,
  }
  const shop = named('shop/web', '10.96.0.20')
  const api = named('default/kubernetes', 'fd00::1')
  const zone = 'cluster.local.'
  const version = { name: 'dns-version.cluster.local.', type: 'TXT', address: undefined }
  const web = { name: 'web.shop.svc.cluster.local.', type: 'A', address: '10.96.0.20' }
  t.strictSame(chooseName(storeOf([shop, api]), zone, all), {
    name: 'kubernetes.default.svc.cluster.local.',
    type: 'AAAA',
    address: 'fd00::1',
  })
  t.strictSame(chooseName(storeOf([shop]), zone, all), web)
  t.strictSame(chooseName(storeOf([]), zone, all), version, 'no Service')
  const left = named('gone/web', '10.96.0.21')
  t.strictSame(chooseName(storeOf([left]), zone, all), version, 'its namespace is gone')
  t.strictSame(chooseName(storeOf([named('shop/peers', 'None')]), zone, all), version, 'headless')
  const only = { ...all, namespaces: new Set(['shop']) }
  t.strictSame(chooseName(storeOf([api, shop]), zone, only), web, 'of a namespace that has names')
  const selecting = { ...all, selectsNamespace: () => false }
  t.strictSame(chooseName(storeOf([api, shop]), zone, selecting), version)
  const full = { ...all, ignoreEmptyServices: true }
  t.strictSame(chooseName(storeOf([shop]), zone, full), version, 'it may have no name when empty')
})

t.test('what is wrong with an answer', async t => {
  const question = { name: 'n.', type: 'A', address: ip('192.0.2.1') } as const
  const answer = (rcode: string, ...addresses: readonly string[]) =>
    ({
      rcode,
      answers: addresses.map(data => ({ name: 'n.', type: 'A', class: 'IN', ttl: 5, data })),
    }) as unknown as Message
  t.equal(whyWrong(question, undefined), 'no answer')
  t.equal(whyWrong(question, answer('SERVFAIL')), 'SERVFAIL')
  t.equal(whyWrong(question, answer('NOERROR')), 'an empty answer')
  t.equal(whyWrong(question, answer('NOERROR', '192.0.2.9')), 'an answer without 192.0.2.1')
  t.equal(whyWrong(question, answer('NOERROR', '192.0.2.9', '192.0.2.1')), undefined)
})

t.test('how the way to pods differs from the plan', async t => {
  const planned = { link: 'eth0', gateway: ip('192.0.2.2') }
  const names = (index: number) => (index === 2 ? 'eth0' : undefined)
  const way = (linkIndex: number, gateway?: string) =>
    whyOther(
      planned,
      { kind: 'unicast', linkIndex, gateway: gateway && ip(gateway) } as never,
      names,
    )
  t.equal(way(2, '192.0.2.2'), undefined)
  t.equal(way(2, '192.0.2.3'), 'packets leave by eth0 via 192.0.2.3 instead of eth0 via 192.0.2.2')
  t.equal(way(7), 'packets leave by link 7 instead of eth0 via 192.0.2.2')
  t.equal(whyOther(planned, { kind: 'local' }, names), 'this node has their address')
  t.equal(whyOther(planned, { kind: 'none', reason: 'blackhole' }, names), 'blackhole')
})
