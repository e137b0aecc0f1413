import t from 'tap'
import type { Directive } from '../../../src/dns/corefile/directive.ts'
import type { CorefileSystem } from '../../../src/dns/corefile/files.ts'
import { parseCorefile } from '../../../src/dns/corefile/parser.ts'
import { ConfigError } from '../../../src/runtime/error.ts'

type Files = Readonly<Record<string, string>>

/** A machine with these files in /etc/coredns. */
const system = (files: Files = {}, env: CorefileSystem['env'] = {}): CorefileSystem => ({
  env,
  read(path) {
    const text = files[path.replace('/etc/coredns/', '')]
    if (text === undefined) throw new Error(`ENOENT: ${path}`)
    return text
  },
  glob: pattern =>
    Object.keys(files)
      .map(name => `/etc/coredns/${name}`)
      .filter(path => new RegExp(`^${pattern.replace('*', '[^/]*').replace('?', '.')}$`).test(path))
      .sort(),
})

/** Directives in one line each: `name arg arg { inner; inner }`. */
const show = (directives: readonly Directive[]): string =>
  directives
    .map(({ name, args, block }) => {
      const braces = block === undefined ? [] : [`{ ${show(block)} }`]
      return [name, ...args, ...braces].join(' ')
    })
    .join('; ')

const parse = (text: string, files?: Files, env?: CorefileSystem['env']) =>
  parseCorefile(text, '/etc/coredns/Corefile', system(files, env)).blocks.map(
    ({ keys, directives }) => `${keys.join(' ')} { ${show(directives)} }`,
  )

const KUBEADM = `.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
`

const cases: readonly {
  title: string
  text: string
  want: readonly string[]
  files?: Files
  env?: CorefileSystem['env']
}[] = [
  {
    title: "kubeadm's",
    text: KUBEADM,
    want: [
      '.:53 { errors; health { lameduck 5s }; ready; kubernetes cluster.local in-addr.arpa ip6.arpa { pods insecure; fallthrough in-addr.arpa ip6.arpa; ttl 30 }; prometheus :9153; forward . /etc/resolv.conf { max_concurrent 1000 }; cache 30 { disable success cluster.local; disable denial cluster.local }; loop; reload; loadbalance }',
    ],
  },
  { title: 'nothing', text: '', want: [] },
  { title: 'comments alone', text: '# a\n  # b', want: [] },
  { title: 'an empty block', text: '. {\n}', want: ['. {  }'] },
  {
    title: 'a single block without braces',
    text: '.:53\nwhoami\nlog',
    want: ['.:53 { whoami; log }'],
  },
  {
    title: 'a single block without braces whose directive has some',
    text: '.\nhealth {\n lameduck 1s\n}\nlog',
    want: ['. { health { lameduck 1s }; log }'],
  },
  { title: 'the brace on the next line', text: '.:53\n{\n whoami\n}', want: ['.:53 { whoami }'] },
  {
    title: 'an empty block of a directive',
    text: '. {\n cache { }\n}',
    want: ['. { cache {  } }'],
  },
  {
    title: 'several keys, by blanks and commas',
    text: 'a.org, b.org:1053,c.org d.org {\n whoami\n}',
    want: ['a.org b.org:1053 c.org d.org { whoami }'],
  },
  {
    title: 'keys that go on after a comma',
    text: 'a.org,\nb.org {\n whoami\n}',
    want: ['a.org b.org { whoami }'],
  },
  {
    title: 'a comment in the middle of a line and of a word',
    text: '. { # root\n whoami#not an argument\n}',
    want: ['. { whoami }'],
  },
  {
    title: 'quotes around blanks, escaped quotes and number signs',
    text: '. {\n log . "{type} \\"{name}\\" # no comment"\n}',
    want: ['. { log . {type} "{name}" # no comment }'],
  },
  {
    title: 'a quoted token over lines, with arguments behind it',
    text: '. {\n log "a\nb" c\n errors\n}',
    want: ['. { log a\nb c; errors }'],
  },
  { title: 'a quoted brace as a word', text: '. {\n log "{" "}"\n}', want: ['. { log { } }'] },
  { title: 'a quote inside a word', text: '. {\n log a"b\n}', want: ['. { log a"b }'] },
  { title: 'a byte order mark', text: '\uFEFF. {\n whoami\n}', want: ['. { whoami }'] },
  { title: 'CRLF line ends', text: '. {\r\n whoami\r\n}\r\n', want: ['. { whoami }'] },
  {
    title: 'environment variables everywhere',
    text: '{$ZONE}:{%PORT%} {\n {$WHAT} a{$ZONE}b "{$ZONE} {$NONE}"\n}',
    env: { ZONE: 'a.org', PORT: '53', WHAT: 'log' },
    want: ['a.org:53 { log aa.orgb a.org  }'],
  },
  {
    title: 'template variables: damaged without blanks, kept with them, as in CoreDNS',
    text: '. {\n template "{{$x}} {{ $x }}"\n}',
    want: ['. { template {} {{ $x }} }'],
  },
  {
    title: 'a snippet',
    text: '(common) {\n errors\n cache {\n ttl 1\n }\n}\na. {\n import common\n}\nb. {\n log\n import common\n}',
    want: ['a. { errors; cache { ttl 1 } }', 'b. { log; errors; cache { ttl 1 } }'],
  },
  {
    title: 'a snippet inside the braces of a directive',
    text: '(options) {\n force_tcp\n}\n. {\n forward . 1.1.1.1 {\n import options\n }\n}',
    want: ['. { forward . 1.1.1.1 { force_tcp } }'],
  },
  {
    title: 'a snippet that uses another',
    text: '(a) {\n log\n}\n(b) {\n import a\n errors\n}\n. {\n import b\n}',
    want: ['. { log; errors }'],
  },
  {
    title: "a managed cluster's overrides and server blocks, in sorted order",
    text: '.:53 {\n errors\n import custom/*.override\n}\nimport custom/*.server',
    files: {
      'custom/b.override': 'loop',
      'custom/a.override': 'log\nhosts {\n 10.0.0.1 a.org\n}',
      'custom/x.server': 'example.org:53 {\n forward . 10.0.0.53\n}',
      'custom/README': 'not a directive',
    },
    want: [
      '.:53 { errors; log; hosts { 10.0.0.1 a.org }; loop }',
      'example.org:53 { forward . 10.0.0.53 }',
    ],
  },
  {
    title: 'a pattern that matches nothing',
    text: '. {\n whoami\n import custom/*.override\n}',
    want: ['. { whoami }'],
  },
  {
    title: 'a file that imports relative to itself',
    text: 'import sub/a.conf',
    files: { 'sub/a.conf': '. {\n import b.conf\n}', 'sub/b.conf': 'whoami' },
    want: ['. { whoami }'],
  },
  {
    title: 'an import whose name comes from the environment',
    text: '. {\n import {$NAME}\n}',
    env: { NAME: 'extra' },
    files: { extra: 'whoami' },
    want: ['. { whoami }'],
  },
  {
    title: 'the same one-line file twice',
    text: '. {\n import a\n import a\n}',
    files: { a: 'log' },
    want: ['. { log; log }'],
  },
]
for (const { title, text, want, files, env } of cases) {
  t.test(`reads ${title}`, async t => {
    t.strictSame(parse(text, files, env), want)
  })
}

/** Every snippet imports the one before it twice: 2 to the 30th lines. */
const bomb = Array.from(
  { length: 30 },
  (_, n) => `(s${n + 1}) {\n import s${n}\n import s${n}\n}`,
).join('\n')

/** Every snippet imports the one before it. */
const chain = Array.from({ length: 5000 }, (_, n) => `(s${n + 1}) {\n import s${n}\n}`).join('\n')

const errors: readonly { title: string; text: string; files?: Files; message: string }[] = [
  {
    title: 'a block that is not closed',
    text: '\n. {\n whoami',
    message: "Corefile:2: the '{' of this line is never closed by '}'",
  },
  {
    title: 'a closing brace too much',
    text: '. {\n}\n}',
    message: "Corefile:3: '}' without a '{' before it",
  },
  {
    title: 'a brace in the middle of a line',
    text: '. { whoami\n}',
    message: 'Corefile:1: a brace must be the last word',
  },
  {
    title: 'a closing brace behind a directive',
    text: '. {\n whoami }',
    message: "Corefile:2: '}' must stand on a line of its own",
  },
  {
    title: 'a brace without a line',
    text: '{\n}',
    message: "Corefile:1: '{' must stand at the end of the line",
  },
  {
    title: 'a quote that does not end',
    text: '. {\n log "a\n}\n',
    message: 'Corefile:2: a quote that starts here does not end',
  },
  {
    title: 'a comma without a key behind it',
    text: 'a.org,',
    message: 'Corefile:1: a key is missing after the comma',
  },
  {
    title: 'a key that is empty',
    text: '{$NONE} {\n}',
    message: 'Corefile:1: a server block without a zone',
  },
  {
    title: 'import without argument',
    text: '. {\n import\n}',
    message: 'Corefile:2: import takes one argument',
  },
  {
    title: 'import with two arguments',
    text: 'import a b',
    message: 'Corefile:1: import takes one argument',
  },
  {
    title: 'import of a missing file',
    text: '. {\n import nope\n}',
    message: 'Corefile:2: import: neither a snippet nor a file',
  },
  {
    title: 'a pattern with two stars',
    text: 'import */*.conf',
    message: 'Corefile:1: import */*.conf: a pattern has at most one *',
  },
  {
    title: 'a pattern with a set',
    text: 'import [ab].conf',
    message: 'a pattern has at most one *',
  },
  {
    title: 'a snippet defined twice',
    text: '(a) {\n}\n(a) {\n}',
    message: 'Corefile:3: snippet (a) is defined twice',
  },
  {
    title: 'a snippet that imports itself',
    text: '(a) {\n import a\n}\n. {\n import a\n}',
    message: 'Corefile:2: (a) imports itself',
  },
  {
    title: 'files that import each other',
    text: 'import a',
    files: { a: 'import b', b: '\nimport a' },
    message: '/etc/coredns/b:2: /etc/coredns/a imports itself',
  },
  {
    title: 'an error in an imported file',
    text: 'import a',
    files: { a: '. {\n log {\n}' },
    message: '/etc/coredns/a:1: the',
  },
  {
    title: 'an import bomb',
    text: `(s0) {\n log\n}\n${bomb}\n. {\n import s30\n}`,
    message: 'more than 10000 snippet imports',
  },
  {
    title: 'braces without end',
    text: 'a {\n'.repeat(100_000),
    message: 'Corefile:101: braces are nested deeper than 100',
  },
  {
    title: 'a long chain of imports',
    text: `(s0) {\n log\n}\n${chain}\n. {\n import s5000\n}`,
    message: 'imports are nested deeper than 100',
  },
  {
    title: 'a bomb of large files',
    text: `(s) {\n${' import big\n'.repeat(100)}}\n. {\n${' import s\n'.repeat(1000)}}`,
    files: { big: 'log\n'.repeat(100) },
    message: 'imports bring more than 200000 lines',
  },
]
for (const { title, text, files, message } of errors) {
  t.test(`refuses ${title}`, async t => {
    try {
      parse(text, files)
      t.fail('it was read')
    } catch (error) {
      t.ok(error instanceof ConfigError)
      t.match((error as Error).message, message)
    }
  })
}

t.test('tells file and line of what came by an import', async t => {
  const { blocks, imported } = parseCorefile(
    '. {\n import a\n}',
    '/etc/coredns/Corefile',
    system({ a: '\nlog {\n class all\n}' }),
  )
  const [log] = blocks[0]?.directives ?? []
  t.strictSame(log?.position, { file: '/etc/coredns/a', line: 2 })
  t.strictSame(log?.block?.[0]?.position, { file: '/etc/coredns/a', line: 3 })
  t.strictSame([...imported.keys()], ['/etc/coredns/a'])
})

t.test('warns of a pattern that matches nothing', async t => {
  const { warnings } = parseCorefile('. {\n import x/*.y\n}', '/etc/coredns/Corefile', system())
  t.match(warnings, [{ line: 2, message: 'import x/*.y: no file matches' }])
})
