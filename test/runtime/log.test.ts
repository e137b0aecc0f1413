import t from 'tap'
import { rootLogger, setLevel } from '#runtime/log.ts'

t.test('the level of all loggers of a process is changed, whenever they were made', async t => {
  const said: string[] = []
  const root = rootLogger('info', {
    write: line => void said.push((JSON.parse(line) as { msg: string }).msg),
  })
  const child = root.child({ component: 'proxy' })
  const grandchild = child.child({ family: 4 })
  const all = () => [root, child, grandchild, child.child({ family: 6 })]
  const say = (message: string) => {
    said.length = 0
    for (const log of all()) log.debug(message)
    return said.length
  }
  t.equal(say('too much'), 0)
  setLevel(root, 'debug')
  t.equal(say('wanted'), 4)
  setLevel(root, 'info')
  t.equal(say('too much again'), 0)
})
