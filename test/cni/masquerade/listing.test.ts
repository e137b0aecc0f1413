import t from 'tap'
import { parseMasqueradeListing } from '#cni/masquerade/listing.ts'

// As nft 1.0.6 prints it.
const listing = {
  nftables: [
    { metainfo: { version: '1.0.6', release_name: 'Lester Gooch #5', json_schema_version: 1 } },
    { table: { family: 'inet', name: 'nodeplane_cni', handle: 1 } },
    {
      map: {
        family: 'inet',
        name: 'masquerade4',
        table: 'nodeplane_cni',
        type: 'ipv4_addr',
        handle: 4,
        map: 'verdict',
        elem: [
          [{ elem: { val: '10.22.0.2', comment: 'a mark' } }, { goto: { target: 'outside' } }],
          ['10.22.0.9', { goto: { target: 'outside' } }],
          [{ elem: { val: 'no address', comment: 'x' } }, { goto: { target: 'outside' } }],
          'nonsense',
        ],
      },
    },
    {
      map: {
        family: 'inet',
        name: 'masquerade6',
        table: 'nodeplane_cni',
        type: 'ipv6_addr',
        handle: 5,
        map: 'verdict',
        elem: [[{ elem: { val: 'fd00:22::2', comment: 'a mark' } }, { goto: { target: 'x' } }]],
      },
    },
    {
      map: { family: 'inet', name: 'empty', table: 'nodeplane_cni', type: 'ipv4_addr', handle: 6 },
    },
  ],
}

t.test('elements with a comment are read, whatever else is there', async t => {
  t.same(parseMasqueradeListing(JSON.stringify(listing)), [
    { family: 4, address: '10.22.0.2', comment: 'a mark' },
    { family: 6, address: 'fd00:22::2', comment: 'a mark' },
  ])
})

for (const text of ['{}', '[]', 'null', '{"nftables":[]}', '{"nftables":[null,{"map":null}]}']) {
  t.test(`nothing is in ${text}`, async t => {
    t.same(parseMasqueradeListing(text), [])
  })
}

t.test('what is no JSON is an error', async t => {
  t.throws(() => parseMasqueradeListing(''), SyntaxError)
})
