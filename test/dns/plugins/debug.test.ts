import t from 'tap'
import { debug } from '../../../src/dns/plugins/debug/plugin.ts'
import { testedPlugin } from '../../helper/plugin.ts'

t.test('the log has every detail until the configuration goes', async t => {
  const { plugin, context } = await testedPlugin(debug, 'debug')
  const former = context.log.level
  await plugin.start?.()
  t.equal(context.log.level, 'debug')
  await plugin.stop?.()
  t.equal(context.log.level, former)
})
