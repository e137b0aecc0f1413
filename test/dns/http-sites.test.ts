import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { HttpPool, HttpSiteList, parseHttpAddress } from '../../src/dns/http-sites.ts'
import { freePort } from '../helper/dns-process.ts'

const addresses: readonly [text: string, want: ReturnType<typeof parseHttpAddress>][] = [
  [':8080', { host: '', port: 8080 }],
  ['localhost:9153', { host: 'localhost', port: 9153 }],
  ['0.0.0.0:1', { host: '0.0.0.0', port: 1 }],
  ['[::1]:8181', { host: '::1', port: 8181 }],
  ['[::]:8181', { host: '::', port: 8181 }],
  ['8080', undefined],
  ['localhost', undefined],
  ['::1:8080', undefined],
  [':70000', undefined],
]
for (const [written, want] of addresses) {
  t.test(`${written} is ${want === undefined ? 'no address' : JSON.stringify(want)}`, async t => {
    t.strictSame(parseHttpAddress(written), want)
  })
}

/** Status and body. */
async function fetchText(port: number, path: string): Promise<string> {
  const request = get({ host: '127.0.0.1', port, path, agent: false })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return `${response.statusCode} ${await text(response)}`
}

const sites = (port: number, routes: Readonly<Record<string, string>>): HttpSiteList => {
  const list = new HttpSiteList()
  for (const [path, body] of Object.entries(routes)) {
    list.serve({ host: '127.0.0.1', port }, path, () => ({ status: 200, body }))
  }
  return list
}

t.test('a server stays open over configurations and answers what the last one says', async t => {
  await using pool = new HttpPool()
  const port = await freePort()
  const [first, second] = [sites(port, { '/a': '1', '/b': '1' }), sites(port, { '/a': '2' })]
  await pool.open(first)
  await pool.switchTo(first)
  t.equal(await fetchText(port, '/b'), '200 1')
  await pool.open(second)
  t.equal(await fetchText(port, '/a'), '200 1', 'opening changes no answer')
  await pool.switchTo(second)
  t.equal(await fetchText(port, '/a'), '200 2')
  t.equal(await fetchText(port, '/b'), '404 not found\n')
  await pool.switchTo(new HttpSiteList())
  await t.rejects(fetchText(port, '/a'), { code: 'ECONNREFUSED' })
})

t.test('when an address is taken, nothing is left open', async t => {
  await using holder = new HttpPool()
  await using pool = new HttpPool()
  const [taken, free] = [await freePort(), await freePort()]
  await holder.open(sites(taken, { '/': 'x' }))
  const list = sites(free, { '/': 'y' })
  list.serve({ host: '127.0.0.1', port: taken }, '/', () => ({ status: 200, body: 'y' }))
  await t.rejects(pool.open(list), { code: 'EADDRINUSE' })
  await t.rejects(fetchText(free, '/'), { code: 'ECONNREFUSED' })
})

t.test('the first one to ask for a path gets it', async t => {
  const list = sites(1, { '/a': 'first' })
  list.serve({ host: '127.0.0.1', port: 1 }, '/a', () => ({ status: 200, body: 'second' }))
  const [site] = list.sites.values()
  t.match(await site?.routes.get('/a')?.(new URLSearchParams()), { body: 'first' })
})
