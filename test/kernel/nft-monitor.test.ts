import t from 'tap'
import { exec } from '#linux/exec.ts'
import { createChildWriter } from '#linux/nft.ts'
import { NftMonitor } from '#linux/nft-monitor.ts'

await exec('nft', ['add', 'table', 'ip', 'watched'])

/** Runs `nft COMMAND` in a pid namespace of its own, with this process id there. */
const runAs = (pid: number, command: string) =>
  exec('unshare', [
    '--pid',
    '--fork',
    'sh',
    '-c',
    // The shell has no more to do after it, but is not to become it: its own id is 1.
    `echo ${pid - 1} > /proc/sys/kernel/ns_last_pid; nft '${command}'; true`,
  ])

t.test('children are ours; who later has the id of one in another container is not', async t => {
  using monitor = NftMonitor.open({ family: 4, concerns: () => true })
  let child = 0
  const writer = createChildWriter({
    onStart: pid => {
      child = pid
      return monitor.ignore(pid)
    },
  })
  const signal = AbortSignal.timeout(30_000)
  await writer.apply('add chain ip watched ours\n', signal)
  await runAs(child, 'add chain ip watched theirs')
  const { reason } = await monitor.next(signal)
  t.match(reason, /^nft \(pid \d+\): 1 chain added$/)
})

t.test('a child may end later than the monitor', async t => {
  const monitor = NftMonitor.open({ family: 4, concerns: () => true })
  const end = monitor.ignore(process.pid)
  monitor[Symbol.dispose]()
  t.doesNotThrow(end)
})
