import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { configFromFile } from '../../../src/proxy/config/load.ts'
import { refuseChange } from '../../../src/proxy/config/watch.ts'
import { eventually } from '../../helper/eventually.ts'

const TEXT = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

function setUp(directory: string) {
  const file = join(directory, 'kp.yaml')
  const said: string[] = []
  const log = pino({}, { write: line => void said.push((JSON.parse(line) as { msg: string }).msg) })
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const read = (text: string) => configFromFile(text, file).config
  const ended = refuseChange({ file, text: TEXT, config: read(TEXT), read, log }, stop.signal)
  return { file, said, stop, ended }
}

t.test('a file that says something else ends it', async t => {
  const { file, ended } = setUp(t.testdir({ 'kp.yaml': TEXT }))
  const want = { code: 'ERR_CONFIG_CHANGED', message: /^kp\.yaml: content was updated/ }
  await Promise.all([t.rejects(ended, want), writeFile(file, `${TEXT}oomScoreAdj: 1\n`)])
})

t.test('a wrong file is told and the old one goes on, until a right one replaces it', async t => {
  const directory = t.testdir({ 'kp.yaml': TEXT })
  const { file, said, ended } = setUp(directory)
  await writeFile(file, `${TEXT}teapot: 1\n`)
  await eventually('a line', () => said.length === 1)
  t.match(said, [/new configuration is wrong/])
  await writeFile(`${file}.new`, `${TEXT}oomScoreAdj: 2\n`)
  const want = { code: 'ERR_CONFIG_CHANGED' }
  await Promise.all([t.rejects(ended, want), rename(`${file}.new`, file)])
})

t.test('what changed before the watch began is seen when it begins', async t => {
  const { ended } = setUp(t.testdir({ 'kp.yaml': `${TEXT}oomScoreAdj: 3\n` }))
  await t.rejects(ended, { code: 'ERR_CONFIG_CHANGED' })
})

t.test('other words that mean the same are no change', async t => {
  const { file, stop, said, ended } = setUp(t.testdir({ 'kp.yaml': TEXT }))
  await writeFile(file, `# edited\n${TEXT}oomScoreAdj: -999\n`)
  await writeFile(file, `${TEXT}wrong\n`)
  await eventually('the wrong one to be seen', () => said.length === 1)
  stop.abort()
  await t.resolves(ended)
})
