import t from 'tap'
import { exec } from '#linux/exec.ts'
import { silentLogger } from '#runtime/log.ts'
import { ipvs } from '../../src/proxy/ipvs/module.ts'
import { numbered, slices } from '../helper/numbered-services.ts'
import { podA, run, settings } from './fixture.ts'
import { RunningProxy } from './proxy.ts'

const cleanup = () => ipvs.cleanup({ log: silentLogger() }, AbortSignal.timeout(120_000))

/** What a proxy leaves when it ends. */
async function leaveRules(): Promise<void> {
  const objects = [numbered(1), ...slices(1, [podA])]
  // Programs are slow here: one family.
  await using _ = await RunningProxy.start({ ...settings, families: [4] }, objects)
}

/** Chains, sets, virtual servers and the link, of any mode's names. */
async function left(): Promise<readonly string[]> {
  const texts: string[] = []
  for (const program of ['iptables-save', 'ipset list -n', 'ipvsadm -Sn'])
    texts.push(await run(program))
  texts.push((await run('ip -br link')).replaceAll(/^(?!kube-ipvs0).*$/gm, ''))
  return texts
    .join('\n')
    .split('\n')
    .filter(line => /^:KUBE|^KUBE|^-[Aa] -|^kube/.test(line))
    .map(line => line.replace(/ .*/, ''))
}

await t.test('clean-up', async t => {
  await run('ipvsadm -C')

  await t.test(
    'rules of others that lead to a chain keep that chain, and nothing else',
    async t => {
      await leaveRules()
      // As the CNI plugin portmap does with externalSetMarkChain.
      await run('iptables -t nat -N THEIRS')
      await run('iptables -t nat -A THEIRS -p tcp --dport 8080 -j KUBE-MARK-MASQ')
      const comment = ['-m', 'comment', '--comment', 'kubernetes postrouting rules']
      const again = ['-t', 'nat', '-A', 'POSTROUTING', ...comment, '-j', 'KUBE-POSTROUTING']
      await exec('iptables', again)
      await run('iptables -A INPUT -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT')
      for (const _ of ['first', 'second']) {
        await t.rejects(cleanup(), {
          message:
            /^IPv4 legacy: .*lead to these chains: nat KUBE-MARK-MASQ; destroy ipset KUBE-CLUSTER-IP: [^;]*in use[^;]*$/,
        })
        t.strictSame(await left(), [':KUBE-MARK-MASQ', 'KUBE-CLUSTER-IP'])
      }
      await run('iptables -t nat -F THEIRS')
      await run('iptables -t nat -X THEIRS')
      await run('iptables -F INPUT')
      await cleanup()
      t.strictSame(await left(), [])
    },
  )

  await t.test('a kube-ipvs0 that is no dummy is named, and what is of the proxy goes', async t => {
    await leaveRules()
    await run('ipvsadm -C')
    await run('ip link del kube-ipvs0')
    await run('ip link add kube-ipvs0 type bridge')
    await t.rejects(cleanup(), { message: /^link kube-ipvs0: is a bridge, not a dummy; [^;]*$/ })
    t.strictSame(await left(), ['kube-ipvs0'])
    await run('ip link del kube-ipvs0')
  })

  await t.test('without the programs of iptables all goes that no rule holds', async t => {
    await leaveRules()
    const path = process.env['PATH']
    t.teardown(() => {
      process.env['PATH'] = path
    })
    process.env['PATH'] = '/nowhere'
    await t.rejects(cleanup(), { message: /ipset KUBE-CLUSTER-IP: [^;]*in use/ })
    process.env['PATH'] = path
    const rest = await left()
    t.ok(
      rest.includes(':KUBE-SERVICES') && rest.includes('KUBE-CLUSTER-IP'),
      'rules and their sets',
    )
    t.notOk(rest.includes('kube-ipvs0') || rest.includes('KUBE-LOAD-BALANCER-FW'))
    for (const table of ['nat', 'filter']) {
      await run(`iptables -t ${table} -F`)
      await run(`iptables -t ${table} -X`)
    }
    process.env['PATH'] = '/nowhere'
    await cleanup()
    process.env['PATH'] = path
    t.strictSame(await left(), [])
  })
})
