import t from 'tap'
import { effectiveGates, gateProblems } from '../../../src/proxy/config/feature-gates.ts'

t.test('a name that is no gate, and a change of a locked one, are problems', async t => {
  t.match(gateProblems({ Teapot: true, constructor: true, NFTablesProxyMode: false }), [
    { gate: 'Teapot', message: /^no feature gate/ },
    { gate: 'constructor', message: /^no feature gate/ },
    { gate: 'NFTablesProxyMode', message: 'cannot be set to false: it is locked to true' },
  ])
})

t.test('what may be set, and a locked gate set to what it is, are none', async t => {
  t.strictSame(gateProblems({ AllBeta: true, WatchListClient: false, NFTablesProxyMode: true }), [])
})

t.test(
  'AllAlpha and AllBeta hold for those of their stage that are not set themselves',
  async t => {
    const gates = effectiveGates({ AllAlpha: true, AllBeta: false, ComponentFlagz: true })
    t.equal(gates['LoggingAlphaOptions']?.isOn, true)
    t.equal(gates['ComponentStatusz']?.isOn, false)
    t.equal(gates['ComponentFlagz']?.isOn, true)
    t.equal(gates['NFTablesProxyMode']?.isOn, true)
  },
)
