import t from 'tap'
import { formatTarget, parseTarget } from '#agent/why/target.ts'

const cases = [
  ['shop/web', { kind: 'service', namespace: 'shop', name: 'web', port: undefined }],
  ['shop/web:80', { kind: 'service', namespace: 'shop', name: 'web', port: 80 }],
  ['shop/web:http', { kind: 'service', namespace: 'shop', name: 'web', port: 'http' }],
  ['web', { kind: 'name', name: 'web', port: undefined }],
  [
    'web.shop.svc.cluster.local.',
    { kind: 'name', name: 'web.shop.svc.cluster.local.', port: undefined },
  ],
  ['web.shop:80', { kind: 'name', name: 'web.shop', port: 80 }],
  ['10.96.0.10', { kind: 'address', address: '10.96.0.10' }],
  ['10.96.0.10:53', { kind: 'address', address: '10.96.0.10', port: 53 }],
  ['fd00::1', { kind: 'address', address: 'fd00::1' }],
  ['[fd00::1]:53', { kind: 'address', address: 'fd00::1', port: 53 }],
] as const

for (const [text, target] of cases) {
  t.test(`${text} is a ${target.kind}`, async t => {
    t.strictSame(parseTarget(text), target)
    t.equal(formatTarget(parseTarget(text)), text)
  })
}

for (const text of [
  '',
  'a b',
  'shop/web/x',
  'shop/',
  '10.0.0.1:70000',
  '10.0.0.1:http',
  '[web]:80',
  'web:',
  'web:0',
  '-x',
]) {
  t.test(`'${text}' is refused`, async t => {
    t.throws(() => parseTarget(text), { code: 'ERR_CONFIG' })
  })
}
