import fc from 'fast-check'
import t from 'tap'
import { findJsonFault } from '../../../src/cni/check/json-fault.ts'

const faults: readonly (readonly [text: string, offset: number, wanted: RegExp])[] = [
  ['', 0, /a value/],
  ['{"a": [1, 2,]}', 12, /a value/],
  ['{"a": 1,}', 8, /a key/],
  ['{"a" 1}', 5, /":"/],
  ["{'a': 1}", 1, /a key in double quotes/],
  ['{"a": 01}', 6, /a value/],
  ['{"a": tru}', 6, /a value/],
  ['{"a": "x\ny"}', 6, /a value/],
  ['{"a": {"b": 1]', 13, /"," or }/],
  ['[1 2]', 3, /"," or ]/],
  ['{"a": 1} x', 9, /the end/],
  ['{"a": ', 6, /a value/],
]

t.test('the place of the first fault, and what should stand there', async t => {
  for (const [text, offset, wanted] of faults) {
    t.match(findJsonFault(text), { offset, wanted }, JSON.stringify(text))
  }
})

t.test('what JSON.parse takes has no fault, and what it refuses has one', async t => {
  const text = fc.oneof(
    fc.json(),
    fc.string({ unit: fc.constantFrom(...'{}[],:"\\ \n\u00a0\v01-.eatrulsf'.split('')) }),
  )
  fc.assert(
    fc.property(text, text => {
      let isJson = true
      try {
        JSON.parse(text)
      } catch {
        isJson = false
      }
      return isJson === (findJsonFault(text) === undefined)
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
