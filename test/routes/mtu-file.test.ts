import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { offerMtu, withdrawMtu } from '../../src/routes/mtu-file.ts'

t.test('the MTU is offered as a line, changed, left alone, and withdrawn', async t => {
  const file = join(t.testdir(), 'run', 'mtu')
  await offerMtu(file, undefined)
  await t.rejects(stat(file), { code: 'ENOENT' })
  await offerMtu(file, 1450)
  t.equal(await readFile(file, 'utf8'), '1450\n')
  await offerMtu(file, 1430)
  t.equal(await readFile(file, 'utf8'), '1430\n')
  const { ino } = await stat(file)
  await offerMtu(file, 1430)
  await offerMtu(file, undefined)
  t.equal((await stat(file)).ino, ino, 'not written again')
  await withdrawMtu(file)
  await withdrawMtu(file)
  await t.rejects(stat(file), { code: 'ENOENT' })
})
