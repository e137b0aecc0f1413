import t from 'tap'
import { parseCniArgs } from '#cni/spec/cni-args.ts'

const kubernetes =
  'IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0;K8S_POD_INFRA_CONTAINER_ID=abc;K8S_POD_UID=1-2'

const read: readonly { text: string; want: string | undefined }[] = [
  { text: '', want: undefined },
  { text: 'IP=10.0.0.1', want: '10.0.0.1' },
  { text: `${kubernetes};IP=10.0.0.1`, want: '10.0.0.1' },
  { text: 'FOO=x;IP=10.0.0.1;IgnoreUnknown=TRUE', want: '10.0.0.1' },
  { text: 'IgnoreUnknown=0;IP=', want: '' },
  // Keys are case-sensitive.
  { text: 'ip=10.0.0.1;IgnoreUnknown=1', want: undefined },
]
for (const { text, want } of read) {
  t.test(`IP in '${text}'`, async t => t.equal(parseCniArgs(text, ['IP']).get('IP'), want))
}

for (const text of [
  'IP',
  'IP=1=2',
  'IP=1;',
  ';',
  'FOO=x',
  'FOO=x;IgnoreUnknown=0',
  'IgnoreUnknown=yes',
]) {
  t.test(`refused: '${text}'`, async t => {
    t.throws(() => parseCniArgs(text, ['IP']), { cniCode: 4, message: /CNI_ARGS/ })
  })
}
