import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { join } from 'node:path'
import dnsPacket from 'dns-packet'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { buildOr } from '../helper/build.ts'
import { eventually } from '../helper/eventually.ts'
import { Podman, type PodmanNetwork, whyNoPodman } from '../helper/podman.ts'

/*
 * A real container runtime calls the plugins as they are shipped: Podman with its CNI back end, on networks made by
 * nothing but ours.
 */

const network: PodmanNetwork = {
  cniVersion: '1.0.0',
  name: 'nodeplane-pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni-podman',
      isGateway: true,
      ipMasq: true,
      hairpinMode: true,
      capabilities: { ips: true, mac: true },
      dns: { nameservers: ['10.88.7.1'], search: ['cluster.test'] },
      ipam: {
        type: 'host-local',
        routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
        ranges: [[{ subnet: '10.88.7.0/24' }], [{ subnet: 'fd00:88:7::/64' }]],
      },
    },
    { type: 'portmap', capabilities: { portMappings: true }, snat: true },
  ],
}

const second: PodmanNetwork = {
  cniVersion: '1.0.0',
  name: 'nodeplane-second',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni-second',
      ipMasqBackend: 'iptables',
      isGateway: true,
      ipMasq: true,
      macspoofchk: true,
      capabilities: { ips: true, mac: true },
      ipam: { type: 'host-local', ranges: [[{ subnet: '10.88.8.0/24' }]] },
    },
  ],
}

const ports = async (bridge = 'cni-podman'): Promise<readonly string[]> => {
  const { stdout } = await exec('ip', ['-j', 'link', 'show', 'master', bridge])
  return (JSON.parse(stdout) as { ifname: string }[]).map(({ ifname }) => ifname)
}

const page = (address: string) =>
  eventually(`the web server at ${address}`, async () => (await fetch(`http://${address}/`)).text())

const HELLO = 'hello from a container'
const rules = async () =>
  (await exec('nft', ['list', 'ruleset'])).stdout + (await exec('iptables-save', [])).stdout

const skip = await whyNoPodman()
const dist = skip === false ? await buildOr(join(t.testdir(), 'dist')) : ''

t.test('Podman containers on a network of our plugins', { skip }, async t => {
  await using podman = await Podman.create(dist, [network, second])
  await podman.start('a', network.name)
  await podman.start('b', network.name)

  t.same(await podman.addresses('a'), ['10.88.7.2', 'fd00:88:7::2'])
  t.same(await podman.addresses('b'), ['10.88.7.3', 'fd00:88:7::3'])
  const leases = ['10.88.7.2', '10.88.7.3', 'fd00:88:7::2', 'fd00:88:7::3']
  t.same(await podman.leases(network.name), leases)

  for (const address of ['10.88.7.2', '[fd00:88:7::3]']) {
    t.equal(await page(address), HELLO, `the node reaches ${address}`)
  }
  for (const address of ['10.88.7.3', '[fd00:88:7::3]']) {
    const url = `http://${address}/`
    const said = await podman.run('exec', 'a', '/bin/wget', '-q', '-O', '-', url)
    t.equal(said, HELLO, `a reaches ${address}`)
  }

  await podman.stop('a')
  t.equal((await ports()).length, 1)
  t.same(await podman.leases(network.name), ['10.88.7.3', 'fd00:88:7::3'])
  t.equal(await page('10.88.7.3'), HELLO, 'b goes on')
  await podman.stop('b')
  t.same(await ports(), [])
  t.same(await podman.leases(network.name), [])
  t.notMatch(await rules(), /10\.88\.7\.[23] /)
})

/** A DNS server at an address of the node that knows one name. */
async function serveName(address: string): Promise<Disposable> {
  const socket = createSocket('udp4')
  socket.on('message', (bytes, { port, address: from }) => {
    const { id = 0, questions = [] } = dnsPacket.decode(bytes)
    const answers = questions
      .filter(({ name, type }) => name === 'web.cluster.test' && type === 'A')
      .map(({ name }) => ({ type: 'A' as const, name, ttl: 5, data: '10.88.7.3' }))
    const flags = dnsPacket.AUTHORITATIVE_ANSWER
    socket.send(dnsPacket.encode({ type: 'response', id, flags, questions, answers }), port, from)
  })
  socket.bind(53, address)
  await once(socket, 'listening')
  return { [Symbol.dispose]: () => socket.close() }
}

t.test('ports, DNS, two networks, a restart', { skip }, async t => {
  await using podman = await Podman.create(dist, [network, second])
  await podman.start('web', network.name, '-p', '18080:80', '-p', '127.0.0.1:18081:80')
  for (const address of ['127.0.0.1:18080', '127.0.0.1:18081', '10.88.7.1:18080']) {
    t.equal(await page(address), HELLO, address)
  }

  using _server = await serveName('10.88.7.1')
  const resolvConf = await podman.run('exec', 'web', '/bin/cat', '/etc/resolv.conf')
  t.match(resolvConf, 'nameserver 10.88.7.1')
  t.match(resolvConf, 'search cluster.test')
  const named = await podman.run('exec', 'web', '/bin/nslookup', 'web.cluster.test')
  t.match(named, '10.88.7.3')

  await podman.start('both', `${network.name},${second.name}`)
  const links = await podman.run('exec', 'both', '/bin/ip', '-4', 'address', 'show')
  // Which of the two is eth0 is Podman's choice.
  t.match(links, /10\.88\.7\.3\/24 .* eth[01]$/m)
  t.match(links, /10\.88\.8\.2\/24 .* eth[01]$/m)
  t.equal((await ports()).length, 2)
  t.equal((await ports('cni-second')).length, 1)
  t.match(await rules(), /-A POSTROUTING -s 10\.88\.8\.2\/32 /)
  t.equal(await page('10.88.8.2'), HELLO)

  // The same container again: its id stays, its namespace does not.
  await podman.run('stop', '-t', '0', 'web')
  t.equal((await ports()).length, 1, 'stop ends the attachment')
  await t.rejects(fetch('http://127.0.0.1:18080/'))
  await podman.run('start', 'web')
  t.equal(await page('127.0.0.1:18080'), HELLO)

  await podman.stop('both')
  await podman.stop('web')
  t.same([...(await ports()), ...(await ports('cni-second'))], [])
  t.same(await podman.leases(network.name), [])
  t.same(await podman.leases(second.name), [])
  t.notMatch(await rules(), /10\.88\.[78]\.\d+[ /]+(comment|-m)|dport 1808|inet_proto . 1808/)
})

t.test('20 containers at once', { skip }, async t => {
  await using podman = await Podman.create(dist, [network])
  const names = Array.from({ length: 20 }, (_, n) => `pod${n}`)
  await Promise.all(
    names.map((name, n) => podman.start(name, network.name, '-p', `${18100 + n}:80`)),
  )
  const addresses = await Promise.all(names.map(name => podman.addresses(name)))
  t.equal(new Set(addresses.map(([ip4]) => ip4)).size, 20)
  t.equal((await podman.leases(network.name)).length, 40)
  t.equal((await ports()).length, 20)
  for (const n of [0, 7, 19]) t.equal(await page(`127.0.0.1:${18100 + n}`), HELLO)
  await Promise.all(names.map(name => podman.stop(name)))
  t.same(await ports(), [])
  t.same(await podman.leases(network.name), [])
  t.notMatch(await rules(), /10\.88\.7\.\d+ comment/)
})
