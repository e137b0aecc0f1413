import t from 'tap'
import { openSource } from '#cluster/open-source.ts'
import { ConfigError } from '#runtime/error.ts'
import { silentLogger } from '#runtime/log.ts'

const options = { wanted: { Node: {} }, log: silentLogger() }

t.test('manifests, when a directory is named', async t => {
  const directory = t.testdir({})
  const source = await openSource({ manifests: directory, env: {} }, options)
  t.equal(source.origin, directory)
})

t.test('the API server, when a kubeconfig or an endpoint is named', async t => {
  const source = await openSource({ endpoint: 'https://api:6443/x', env: {} }, options)
  t.equal(source.origin, 'https://api:6443')
})

t.test('an endpoint without scheme is http, with certificates https', async t => {
  const tls = { cert: 'c', key: 'k', ca: 'a' }
  t.equal((await openSource({ endpoint: 'api:80', env: {} }, options)).origin, 'http://api')
  t.equal((await openSource({ endpoint: 'api', tls, env: {} }, options)).origin, 'https://api')
})

t.test('the service account, when nothing is named: an IPv6 host gets its brackets', async t => {
  const serviceAccountFolder = t.testdir({ token: 'x', 'ca.crt': 'y' })
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' }
  const source = await openSource({ env, serviceAccountFolder }, options)
  t.equal(source.origin, 'https://[fd00::1]')
})

t.test('two places at once are refused', async t => {
  for (const other of [{ kubeconfig: 'f' }, { endpoint: 'http://api' }]) {
    await t.rejects(openSource({ manifests: 'd', ...other, env: {} }, options), {
      constructor: ConfigError,
      message: new RegExp(`manifests: 'd' contradicts ${Object.keys(other)[0]}`),
    })
  }
})

t.test('an endpoint that is no URL is refused', async t => {
  await t.rejects(openSource({ endpoint: 'http://[', env: {} }, options), {
    constructor: ConfigError,
    message: "endpoint: 'http://[' is not a URL",
  })
})
