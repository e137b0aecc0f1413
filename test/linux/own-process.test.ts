import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import t from 'tap'
import { ownResources } from '#linux/own-process.ts'

t.test('open files are counted as they are opened and closed', async t => {
  const before = ownResources.openFiles() as number
  const opened = [1, 2, 3].map(() => openSync('/dev/null', 'r'))
  t.equal(ownResources.openFiles(), before + 3)
  for (const fd of opened) closeSync(fd)
  t.equal(ownResources.openFiles(), before)
})

t.test('limits are those in force; without one the largest number', async t => {
  const program = `
    import { ownResources } from '#linux/own-process.ts'
    console.log(ownResources.maxOpenFiles(), ownResources.maxVirtualBytes())
  `
  const limited = (limits: string) =>
    execFileSync(
      'sh',
      ['-c', `${limits}; exec "$0" --input-type=module -e "$1"`, process.execPath, program],
      { encoding: 'utf8' },
    ).trim()
  t.equal(limited('ulimit -n 777; ulimit -v unlimited'), '777 18446744073709552000')
  // Node raises the soft number of files to the hard one. Memory is in KiB, and Node reserves more than it uses.
  t.equal(limited('ulimit -n 778; ulimit -Sv 900000000'), '778 921600000000')
})

t.test('virtual memory is larger than what is resident', async t => {
  t.ok((ownResources.virtualBytes() as number) > process.memoryUsage.rss())
})
