import t from 'tap'
import {
  booleanField,
  type ConfigObject,
  configObjectFrom,
  integerField,
  ipField,
  objectField,
  objectsField,
  prefixField,
  stringField,
  stringsField,
} from '#cni/spec/config-object.ts'
import { parseStdin } from '#cni/spec/request.ts'

const parse = (text: string): ConfigObject => parseStdin(Buffer.from(text))

t.test('keys match in any case; of two spellings and of two equal keys the later wins', async t => {
  t.equal(stringField(parse('{"HostPort":"a"}'), 'hostPort'), 'a')
  t.equal(stringField(parse('{"name":"a","NAME":"b"}'), 'name'), 'b')
  t.equal(stringField(parse('{"NAME":"b","name":"a"}'), 'name'), 'a')
  t.equal(stringField(parse('{"name":"a","name":"b"}'), 'name'), 'b')
})

t.test('null is absent everywhere, also as the later spelling', async t => {
  const object = parse('{"a":null,"b":"x","B":null}')
  t.equal(stringField(object, 'a'), undefined)
  t.equal(objectField(object, 'a'), undefined)
  t.strictSame(stringsField(object, 'a'), [])
  t.equal(stringField(object, 'b'), 'x')
})

t.test('names of object members are names like any other', async t => {
  t.equal(stringField(parse('{}'), 'constructor'), undefined)
  t.equal(stringField(parse('{"__proto__":"a"}'), '__proto__'), 'a')
})

t.test('values keep their types', async t => {
  const object = parse(
    '{"t":true,"n":-5,"l":["a"],"o":[{"ip":"FD00::1","p":"10.0.0.5/16","e":""}]}',
  )
  t.equal(booleanField(object, 't'), true)
  t.equal(integerField(object, 'n'), -5)
  t.strictSame(stringsField(object, 'l'), ['a'])
  const [item] = objectsField(object, 'o')
  t.equal(item && ipField(item, 'ip'), 'fd00::1')
  t.strictSame(item && prefixField(item, 'p'), { family: 4, address: '10.0.0.5', length: 16 })
  t.equal(item && ipField(item, 'e'), undefined)
})

const wrong: readonly {
  title: string
  read: (object: ConfigObject) => unknown
  message: RegExp
}[] = [
  {
    title: 'text for a truth value',
    read: o => booleanField(o, 'text'),
    message: /^text must be true or false, not "1"$/,
  },
  {
    title: 'text for a number',
    read: o => integerField(o, 'text'),
    message: /^text must be a whole number, not "1"$/,
  },
  {
    title: 'a fraction',
    read: o => integerField(o, 'fraction'),
    message: /^fraction must be a whole number, not 1\.5$/,
  },
  {
    title: 'a number for text',
    read: o => stringField(o, 'number'),
    message: /^number must be a string, not 1$/,
  },
  {
    title: 'a list for an object',
    read: o => objectField(o, 'list'),
    message: /^list must be an object, not a list$/,
  },
  {
    title: 'an object for a list',
    read: o => stringsField(o, 'object'),
    message: /^object must be a list, not an object$/,
  },
  {
    title: 'an item of another type',
    read: o => stringsField(o, 'list'),
    message: /^list\[1\] must be a string, not 2$/,
  },
  {
    title: 'null in a list',
    read: o => objectsField(o, 'nulls'),
    message: /^nulls\[0\] must be an object, not null$/,
  },
]
const object = configObjectFrom({
  text: '1',
  fraction: 1.5,
  number: 1,
  list: ['a', 2],
  object: {},
  nulls: [null],
})
for (const { title, read, message } of wrong) {
  t.test(`code 6 with the path: ${title}`, async t => {
    t.throws(() => read(object), { cniCode: 6, message })
  })
}

t.test('code 7: the type is right, the value is not', async t => {
  const ipam = objectField(
    configObjectFrom({ ipam: { gw: '10.0.0.256', net: '10.0.0.0' } }),
    'ipam',
  )
  t.throws(() => ipam && ipField(ipam, 'gw'), { cniCode: 7, message: /^ipam\.gw: '10\.0\.0\.256'/ })
  t.throws(() => ipam && prefixField(ipam, 'net'), {
    cniCode: 7,
    message: /^ipam\.net: '10\.0\.0\.0'/,
  })
})
