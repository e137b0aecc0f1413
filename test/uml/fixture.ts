import { openSync } from 'node:fs'
import t from 'tap'
import { exec } from '#linux/exec.ts'
import { CLONE_NEWNET, setns } from '#linux/libc.ts'
import type { ProxySettings } from '../../src/proxy/settings.ts'
import { settings as common, type To } from '../helper/numbered-services.ts'
import { type TestPod, Topology } from '../helper/topology.ts'
import { Host, type Target } from './host.ts'

// One node with pods for all files: user-mode Linux takes seconds to make it.
export const net = await Topology.create(3)
t.teardown(() => net[Symbol.asyncDispose]())
export const [podA, podB, podC] = net.pods as [TestPod, TestPod, TestPod]

/** Servers are on pods a and b, port 8080, and on the node, port 9999. */
export const [a, b, client, outside, node] = [
  podA.namespace,
  podB.namespace,
  podC.namespace,
  net.outside,
  net.node,
].map(namespace => {
  const host = new Host(namespace)
  t.teardown(() => host[Symbol.asyncDispose]())
  return host
}) as [Host, Host, Host, Host, Host]
await Promise.all([a.serve('a', 8080), b.serve('b', 8080), node.serve('host', 9999)])

// From here on this process is on the node.
setns(openSync(net.node.path, 'r'), CLONE_NEWNET)

export const settings: ProxySettings = { ...common, mode: 'ipvs' }

const networks = {
  clusterIP: { 4: '10.96.0.', 6: 'fd00:96::' },
  externalIP: { 4: '198.51.100.', 6: 'fd00:e::' },
  vip: { 4: '203.0.113.', 6: 'fd00:f::' },
}

export type Way = {
  readonly number: number
  readonly family?: 4 | 6
  readonly protocol?: 'tcp' | 'udp'
}

/** An address of Service number N; IPv4 and TCP unless said otherwise. */
export function target(to: To, { number, family = 4, protocol = 'tcp' }: Way): Target {
  const nodeIP = family === 4 ? net.nodeIp4 : net.nodeIp6
  const host = to === 'nodePort' ? nodeIP : `${networks[to][family]}${number}`
  return { protocol, host, port: to === 'nodePort' ? 30_000 + number : 80 }
}

/** What a program prints on the node; the words are split at blanks. */
export async function run(words: string): Promise<string> {
  const [program = '', ...args] = words.split(' ')
  return (await exec(program, args)).stdout
}

/** The commands that would make a virtual server's destinations, as ipvsadm prints them. */
export const destinationsOf = async (server: string): Promise<readonly string[]> =>
  (await run('ipvsadm -Sn')).split('\n').filter(line => line.startsWith(`-a ${server} `))
