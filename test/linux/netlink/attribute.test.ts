import fc from 'fast-check'
import t from 'tap'
import {
  type Attribute,
  decodeAttributes,
  encodeAttributes,
  readNested,
  readText,
  readUint,
  textAttribute,
  u8Attribute,
  u16Attribute,
  u32Attribute,
} from '#linux/netlink/attribute.ts'

// struct nlattr (linux/netlink.h): length u16, type u16, then the value, padded to 4 bytes; little endian.
const encodings: readonly { title: string; attribute: Attribute; bytes: string }[] = [
  { title: 'one byte', attribute: u8Attribute(4, 1), bytes: '0500 0400 01 000000' },
  { title: 'two bytes', attribute: u16Attribute(1, 0x1234), bytes: '0600 0100 3412 0000' },
  { title: 'four bytes', attribute: u32Attribute(29, 1500), bytes: '0800 1d00 dc050000' },
  { title: 'a text ends in zero', attribute: textAttribute(3, 'lo'), bytes: '0700 0300 6c6f00 00' },
  {
    title: 'attributes in an attribute: the NESTED bit, and a length over all of them',
    attribute: { type: 18, value: [textAttribute(1, 'veth'), u8Attribute(2, 7)] },
    bytes: '1800 1280  0900 0100 7665746800 000000  0500 0200 07 000000',
  },
  { title: 'nothing in it', attribute: { type: 2, value: [] }, bytes: '0400 0280' },
]

for (const { title, attribute, bytes } of encodings) {
  t.test(`encode: ${title}`, async t => {
    t.equal(encodeAttributes([attribute]).toString('hex'), bytes.replaceAll(' ', ''))
  })
}

t.test('an attribute longer than its length field can say is refused', async t => {
  t.throws(() => encodeAttributes([{ type: 1, value: Buffer.alloc(0xffff) }]), RangeError)
})

const flat = fc.uniqueArray(
  fc.record({ type: fc.integer({ min: 0, max: 0x3fff }), value: fc.uint8Array({ maxLength: 40 }) }),
  { selector: ({ type }) => type, maxLength: 8 },
)

t.test('decoding gives back what was encoded, also inside another attribute', async t => {
  fc.assert(
    fc.property(flat, attributes => {
      const nested = encodeAttributes([{ type: 9, value: attributes }])
      for (const decoded of [
        decodeAttributes(encodeAttributes(attributes)),
        readNested(decodeAttributes(nested), 9),
      ]) {
        t.equal(decoded.size, attributes.length)
        for (const { type, value } of attributes) {
          t.equal(decoded.get(type)?.compare(value), 0)
        }
      }
    }),
  )
})

t.test('any bytes are decoded or refused by a RangeError', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), bytes => {
      try {
        decodeAttributes(Buffer.from(bytes))
      } catch (error) {
        t.ok(error instanceof RangeError)
      }
    }),
  )
})

t.test('a missing attribute reads as undefined, or as empty', async t => {
  const none = decodeAttributes(Buffer.alloc(0))
  t.equal(readUint(none, 1), undefined)
  t.equal(readText(none, 1), undefined)
  t.equal(readNested(none, 1).size, 0)
})
