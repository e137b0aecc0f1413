import t from 'tap'
import {
  parseFieldSelector,
  parseLabelSelector,
  SelectorError,
  selectorMatches,
} from '#cluster/selector.ts'

const labels = { env: 'prod', tier: 'web', 'example.com/rank': '10', empty: '' }

// The forms and their meaning: Kubernetes, "Labels and selectors", and apimachinery's labels package.
const labelCases: readonly { selector: string; matches: boolean }[] = [
  { selector: '', matches: true },
  { selector: ' ', matches: true },
  { selector: 'env=prod', matches: true },
  { selector: 'env==prod', matches: true },
  { selector: 'env = prod', matches: true },
  { selector: 'env=test', matches: false },
  { selector: 'env!=test', matches: true },
  { selector: 'env!=prod', matches: false },
  { selector: 'missing!=x', matches: true },
  { selector: 'missing=x', matches: false },
  { selector: 'empty=', matches: true },
  { selector: 'missing=', matches: false },
  { selector: 'env in (prod, test)', matches: true },
  { selector: 'env in (test)', matches: false },
  { selector: 'env in(prod)', matches: true },
  { selector: 'empty in ()', matches: true },
  { selector: 'env notin (test,dev)', matches: true },
  { selector: 'env notin (prod)', matches: false },
  { selector: 'missing notin (x)', matches: true },
  { selector: 'env', matches: true },
  { selector: 'missing', matches: false },
  { selector: '!env', matches: false },
  { selector: '!missing', matches: true },
  { selector: '!service.kubernetes.io/headless', matches: true },
  { selector: 'example.com/rank>9', matches: true },
  { selector: 'example.com/rank > 10', matches: false },
  { selector: 'example.com/rank<11', matches: true },
  { selector: 'env>1', matches: false },
  { selector: 'missing<1', matches: false },
  { selector: 'env in (prod,test),tier!=db,!missing', matches: true },
  { selector: 'env in (prod,test),tier!=web', matches: false },
  { selector: 'constructor', matches: false },
]
for (const { selector, matches } of labelCases) {
  t.test(`label selector ${JSON.stringify(selector)}: ${matches}`, async t => {
    t.equal(selectorMatches(parseLabelSelector(selector), labels), matches)
  })
}

const refusedLabels = [
  ',',
  'a,',
  'a b',
  'a in',
  'a in b',
  'a in (b',
  'a in (b))',
  'a>b',
  '!a=b',
  '=b',
  'a=b=c',
  '-a',
  'a/b/c',
  'A.example/x',
  'a=-b',
  `a=${'x'.repeat(64)}`,
  `${'x'.repeat(64)}=a`,
]
for (const selector of refusedLabels) {
  t.test(`refused as a label selector: ${JSON.stringify(selector)}`, async t => {
    t.throws(() => parseLabelSelector(selector), SelectorError)
  })
}

const fields = { 'metadata.name': 'n1', 'status.phase': 'Running', 'spec.odd': 'a,b=c\\' }
const fieldCases: readonly { selector: string; matches: boolean }[] = [
  { selector: '', matches: true },
  { selector: 'metadata.name=n1', matches: true },
  { selector: 'metadata.name==n2', matches: false },
  { selector: 'metadata.name!=n2', matches: true },
  { selector: 'status.phase!=Succeeded,status.phase!=Failed', matches: true },
  { selector: 'status.phase!=Succeeded,status.phase!=Running', matches: false },
  { selector: 'spec.odd=a\\,b\\=c\\\\', matches: true },
]
for (const { selector, matches } of fieldCases) {
  t.test(`field selector ${JSON.stringify(selector)}: ${matches}`, async t => {
    t.equal(selectorMatches(parseFieldSelector(selector), fields), matches)
  })
}

for (const selector of ['metadata.name', 'a in (b)', '=b', '!a', 'a=b\\n', 'a=b=c']) {
  t.test(`refused as a field selector: ${JSON.stringify(selector)}`, async t => {
    t.throws(() => parseFieldSelector(selector), SelectorError)
  })
}
