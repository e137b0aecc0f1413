import { execFileSync } from 'node:child_process'
import { statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tar } from '../../../src/agent/bundle/tar.ts'
import { main } from '../../../src/main.ts'
import { recordIo } from '../../helper/command-io.ts'

const SECRET = 'hunter2hunter2'

t.test('tar reads our archives, names and contents', async t => {
  const folder = t.testdir()
  const file = join(folder, 'a.tar')
  const contents = [0, 1, 511, 512, 513, 5000].map(size => Buffer.alloc(size, 'x'))
  const entries = contents.map((content, index) => ({ name: `folder/${index}.txt`, content }))
  writeFileSync(file, tar(entries, 1_000_000_000))
  const listed = execFileSync('tar', ['-tvf', file, '--utc'], { encoding: 'utf8' })
  t.match(listed, /-rw------- 0\/0 +5000 2001-09-09 01:46 folder\/5\.txt/)
  for (const { name, content } of entries) {
    t.ok(execFileSync('tar', ['-xOf', file, name]).equals(content), name)
  }
  for (const name of ['', '/etc/passwd', 'a/../b', 'x'.repeat(101)]) {
    t.throws(() => tar([{ name, content: Buffer.alloc(0) }], 0), RangeError)
  }
})

t.test('a bundle has what helps, and no secret', async t => {
  const folder = t.testdir({
    root: {
      etc: {
        nodeplane: {
          'agent.yaml':
            'proxy: { config: kube-proxy.yaml }\ndns: { corefile: Corefile }\ncluster: { kubeconfig: /etc/kube.conf }\nhttp: { address: 127.0.0.1:1 }\n',
          Corefile: `.:53 {\n tsig {\n  secret k. ${SECRET}\n }\n}\n`,
          'kube-proxy.yaml': 'kind: KubeProxyConfiguration\n',
        },
        'kube.conf': `users:\n- user:\n    token: ${SECRET}\n    client-key-data: |\n      ${SECRET}\n`,
        cni: { 'net.d': { '10-x.conflist': `{"name":"x","etcdPassword":"${SECRET}"}` } },
        'resolv.conf': 'nameserver 192.0.2.53\n',
      },
      var: {
        log: {
          nodeplane: {
            'agent.log': `${'y'.repeat(2_000_000)}\n{"authorization":"Bearer ${SECRET}"}\nlast words\n`,
          },
        },
      },
    },
  })
  const io = recordIo()
  const file = join(folder, 'bundle.tar.gz')
  t.equal(await main(['bundle', file, '--root', join(folder, 'root')], io), 0, io.written.stderr)
  t.match(io.written.stdout, /bundle\.tar\.gz: \d+ files, \d+ KiB/)
  t.equal(statSync(file).mode & 0o777, 0o600)
  const all = execFileSync('tar', ['-xzOf', file], { encoding: 'utf8', maxBuffer: 1e9 })
  t.notMatch(all, 'hunter2')
  t.match(all, 'last words')
  t.ok(all.length < 64e6)
  const names = execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).split('\n')
  for (const name of [
    'version.json',
    'doctor.json',
    'agent/readyz.txt',
    'config/etc/nodeplane/Corefile',
    'config/etc/kube.conf',
    'config/etc/cni/net.d/10-x.conflist',
    'config/etc/resolv.conf',
    'logs/var/log/nodeplane/agent.log',
    'kernel/links.txt',
    'kernel/nftables.txt',
    'kernel/sysctls.txt',
  ]) {
    t.ok(names.includes(`nodeplane-bundle/${name}`), name)
  }
  t.equal(await main(['bundle', file], recordIo()), 2, 'nothing is overwritten')
})
