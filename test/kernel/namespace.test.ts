import t from 'tap'
import { exec } from '#linux/exec.ts'
import { joinNamespaces, TestNamespace } from '../helper/namespace.ts'

t.test(
  'two joined namespaces reach each other over both families, and vanish with their test',
  async t => {
    let name = ''
    {
      await using a = await TestNamespace.create('a')
      await using b = await TestNamespace.create('b')
      name = a.name
      await joinNamespaces(
        { namespace: a, link: 'eth0', addresses: ['192.0.2.1/24', 'fd00:2::1/64'] },
        { namespace: b, link: 'eth0', addresses: ['192.0.2.2/24', 'fd00:2::2/64'] },
      )
      await t.resolves(a.exec('ping', ['-c1', '-W2', '192.0.2.2']))
      await t.resolves(a.exec('ping', ['-c1', '-W2', 'fd00:2::2']))
    }
    t.notMatch((await exec('ip', ['netns', 'list'])).stdout, name)
  },
)
