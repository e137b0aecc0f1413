import t from 'tap'
import { parseTemplate } from '../../../../src/dns/plugins/template/go-template/template.ts'

const data = {
  Name: 'a.example.org.',
  Zone: 'example.org.',
  Match: ['a.example.org.', 'a'],
  Group: { b: '0b', empty: '' },
  Question: { Name: 'q' },
  Meta: (label: unknown) => `<${String(label)}>`,
  Empty: [],
}

// What Go's text/template makes of them.
const cases: readonly [text: string, want: string][] = [
  ['{{ .Name }} 60 IN A 10.0.0.1', 'a.example.org. 60 IN A 10.0.0.1'],
  ['{{.Group.b}}.{{ .Group.none }}.', '0b..'],
  ['{{ index .Match 1 }}', 'a'],
  ['{{ parseInt .Group.b 16 8 }}', '11'],
  ['{{ .Group.b | printf "%s-%s" "x" }}', 'x-0b'],
  ['{{ if eq .Zone "example.org." }}yes{{ else }}no{{ end }}', 'yes'],
  ['{{ if .Group.empty }}a{{ else if .Group.b }}b{{ else }}c{{ end }}', 'b'],
  ['{{ range .Match }}<{{ . }}>{{ end }}', '<a.example.org.><a>'],
  ['{{ range .Empty }}x{{ else }}none{{ end }}', 'none'],
  ['{{ with .Question }}{{ .Name }}{{ end }}', 'q'],
  ['{{ $x := index .Match 1 }}{{ $x }}{{ $.Zone }}', 'aexample.org.'],
  ['a {{- /* gone */ -}} b', 'ab'],
  ['{{ .Meta "kubernetes/namespace" }}', '<kubernetes/namespace>'],
  ['{{ len .Match }} {{ not (and true .Group.empty) }}', '2 true'],
  ['{{ printf "%02x" 10 }}{{ print `a` }}', '0aa'],
]
for (const [text, want] of cases) {
  t.test(text, async t => {
    t.equal(parseTemplate(text)(data), want)
  })
}

const wrong: readonly [text: string, message: RegExp][] = [
  ['{{ .Name', /does not end/],
  ['{{ if .Name }}x', /an \{\{end\}\} is missing/],
  ['{{ end }}', /'end' has no meaning here/],
  ['{{ nothing .Name }}', /unknown function 'nothing', there are: index/],
  ['{{ }}', /an action is empty/],
  ['{{ .Name ~ }}', /'~' has no meaning/],
  [`{{ ${'('.repeat(30)} }}`, /nested too deep/],
]
for (const [text, message] of wrong) {
  t.test(`refuses ${text.slice(0, 30)}`, async t => t.throws(() => parseTemplate(text), message))
}

const failing: readonly [text: string, message: RegExp][] = [
  ['{{ .Nothing }}', /there is no field \.Nothing/],
  ['{{ index .Match 7 }}', /index out of range/],
  ['{{ parseInt "zz" 10 8 }}', /is no number of base 10/],
  ['{{ parseInt "300" 10 8 }}', /out of range/],
  ['{{ $x }}', /unknown variable \$x/],
  ['{{ .Question }}', /has no text/],
  ['{{ .Name.constructor }}', /has no fields/],
]
for (const [text, message] of failing) {
  t.test(`fails with ${text}`, async t => t.throws(() => parseTemplate(text)(data), message))
}
