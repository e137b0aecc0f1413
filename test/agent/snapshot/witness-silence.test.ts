import t from 'tap'
import { SourceWitness } from '#agent/snapshot/witness.ts'
import { Store } from '#cluster/store.ts'
import { HeldClock } from '../../helper/held-clock.ts'

t.test('silence lasts from what was heard last to what is heard next', t => {
  const clock = new HeldClock()
  const witness = new SourceWitness(new Store(), clock)
  t.equal(witness.silentSinceMs, undefined)
  witness.requested({ code: '200' })
  const heardMs = clock.now()
  clock.advance(60_000)
  t.equal(witness.silentSinceMs, undefined, 'a quiet cluster is no silent server')
  for (const code of ['<error>', '503', '401']) {
    witness.requested({ code })
    t.equal(witness.silentSinceMs, heardMs, code)
  }
  witness.replaceAll('Node', [])
  t.equal(witness.silentSinceMs, undefined)
  witness.requested({ code: '404' })
  t.equal(witness.silentSinceMs, undefined, 'a kind that the server does not know')
  t.end()
})
