import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'puppeteer-core'
import t from 'tap'
import { eventually } from '../helper/eventually.ts'
import { openBrowser, StatusPage } from '../helper/status-page.ts'
import { service } from '../helper/zone-cluster.ts'

const browser = await openBrowser()
t.teardown(() => browser.close())

/** The page of a node with so many Services, in a tab of its own. */
async function opened(count: number) {
  const node = new StatusPage()
  node.fill(count)
  const url = await node.start()
  const tab = await browser.newPage()
  const requested: string[] = []
  const troubles: string[] = []
  tab.on('request', request => requested.push(request.url()))
  tab.on('pageerror', error => troubles.push(String(error)))
  tab.on('console', message => troubles.push(message.text()))
  const answer = await tab.goto(url)
  await eventually('the first answer', async () => (await textOf(tab, '#parts')).includes('proxy'))
  return {
    node,
    tab,
    url,
    requested,
    troubles,
    headers: answer?.headers() ?? {},
    async [Symbol.asyncDispose]() {
      await tab.close()
      await node[Symbol.asyncDispose]()
    },
  }
}

/** The page's functions run in the browser, which this file's types do not know. */
const inPage = <T>(tab: Page, code: string): Promise<T> => tab.evaluate(code) as Promise<T>
const textOf = (tab: Page, selector: string): Promise<string> =>
  inPage(tab, `document.querySelector(${JSON.stringify(selector)}).innerText`)
/** Cells of the rows that a selector finds. */
const rowsOf = (tab: Page, selector: string): Promise<string[][]> =>
  inPage(
    tab,
    `[...document.querySelectorAll(${JSON.stringify(selector)})].map(row => [...row.children].map(cell => cell.innerText))`,
  )

t.test('what is shown is what the agent tells', async t => {
  await using page = await opened(60)
  const { tab, url, node } = page
  node.incidents.begin({ part: 'proxy', message: 'nft (pid 17): 1 table deleted' })()
  node.asked(1_234)
  const told = async (path: string) => (await fetch(`${url}api/v1/${path}`)).json()
  const status = (await told('status')) as { parts: { part: string; severity: string }[] }
  t.strictSame(
    (await rowsOf(tab, '#parts tbody tr')).map(([part, severity]) => ({ part, severity })),
    status.parts.map(({ part, severity }) => ({ part, severity })),
  )
  await tab.type('#service-filter', 'shop/')
  await eventually('the filter', async () =>
    (await textOf(tab, '#service-count')).startsWith('2 of'),
  )
  t.strictSame(await rowsOf(tab, '#service-rows .row'), [
    ['shop/broken', 'ClusterIP', '10.96.0.2', '80/TCP', '0/1', '–', '–'],
    ['shop/web', 'ClusterIP', '10.96.0.1', '80/TCP', '2/2', '–', '4.1 MiB'],
  ])
  t.strictSame(
    (await rowsOf(tab, '#route-table tbody tr')).map(([node, , , way]) => [node, way]),
    [
      ['node-a', 'this node'],
      ['node-b', 'route'],
      ['node-c', 'tunnel'],
      ['node-d', 'none: its podCIDR is that of another node'],
    ],
  )
  t.equal((await rowsOf(tab, '#pod-table tbody tr')).length, 2)
  await eventually('queries and incidents', async () => {
    const shown = `${await textOf(tab, '#name-facts')} ${await textOf(tab, '#incident-table')}`
    return /1,234/.test(shown) && /1 table deleted[\s\S]*put right/.test(shown)
  })
  t.strictSame(page.troubles, [])
})

t.test('it follows the node', async t => {
  await using page = await opened(10)
  const { tab, node } = page
  t.match(await textOf(tab, '#service-count'), '10 Services')
  node.store.set('Service', service({ name: 'new', namespace: 'aaa', ips: ['10.96.9.9'] }))
  node.whyNoRules = 'the rules of IPv4 are gone'
  await eventually('the new Service', async () =>
    (await textOf(tab, '#service-rows')).includes('aaa/new'),
  )
  await eventually('the failure', async () => (await textOf(tab, '#summary')).startsWith('FAIL'))
  t.match(await textOf(tab, '#parts'), 'the rules of IPv4 are gone')
  t.match(await tab.title(), /^FAIL: node-a/)
  await tab.click('#pause')
  node.whyNoRules = undefined
  await tab.click('#pause')
  await eventually('the end of it', async () => !(await textOf(tab, '#summary')).startsWith('FAIL'))
  t.match(await textOf(tab, '#summary'), /^WARN/, 'node-d is not reached')
})

t.test('an agent that does not answer is told of, and its return', async t => {
  await using page = await opened(10)
  const { tab, node, url } = page
  const isHidden = () => inPage<boolean>(tab, `document.querySelector('#trouble').hidden`)
  t.ok(await isHidden())
  await node.stop()
  await eventually('the error', async () => !(await isHidden()))
  t.match(
    await textOf(tab, '#trouble'),
    /^The agent does not answer for .*\. What is shown is of \d\d:\d\d:\d\d\.$/,
  )
  t.match(await textOf(tab, '#service-rows'), 'many/s00000', 'what was known stays')
  await node.start(Number(new URL(url).port))
  await eventually('the recovery', isHidden)
})

t.test(
  'ten thousand Services: a screen of rows is in the page, and every one can be reached',
  async t => {
    await using page = await opened(10_000)
    const { tab } = page
    const names = async () => (await rowsOf(tab, '#service-rows .row')).map(([name]) => name)
    t.match(await textOf(tab, '#service-count'), '10,000 Services')
    t.equal(
      await inPage(tab, `document.querySelector('#service-rows').getAttribute('aria-rowcount')`),
      '10001',
    )
    const scrollTo = (share: number) =>
      inPage(
        tab,
        `{ const v = document.querySelector('.viewport'); v.scrollTop = v.scrollHeight * ${share} }`,
      )
    for (const [share, name] of [
      [0.5, 'many/s05000'],
      [1, 'shop/web'],
      [0, 'many/s00000'],
    ] as const) {
      await scrollTo(share)
      await eventually(name, async () => (await names()).includes(name))
      t.ok((await names()).length < 100)
    }
    await tab.select('#service-sort', 'ready')
    await eventually('the broken one', async () => (await names())[0] === 'shop/broken')
    // 10.97.39.0 to .13: 9,998 = 39 · 256 + 14.
    await tab.type('#service-filter', '10.97.39.')
    await eventually('the filter', async () =>
      (await textOf(tab, '#service-count')).startsWith('14 of'),
    )
    t.strictSame(page.troubles, [])
  },
)

t.test('with the keyboard alone: skip the header, open a why, close it', async t => {
  await using page = await opened(10)
  const { tab } = page
  const focused = () =>
    inPage<string>(tab, `document.activeElement.innerText || document.activeElement.id`)
  await tab.keyboard.press('Tab')
  t.equal(await focused(), 'Skip to the overview')
  await tab.keyboard.press('Enter')
  t.equal(await inPage(tab, `document.activeElement.id`), 'overview')
  await tab.focus('a[href="#why/shop%2Fbroken"]')
  t.equal(
    await inPage(tab, `document.activeElement.getAttribute('aria-label')`),
    'Why: shop/broken has no ready endpoint',
  )
  await tab.keyboard.press('Enter')
  await eventually('the dialog', () => inPage<boolean>(tab, `document.querySelector('#why').open`))
  t.match(await textOf(tab, '#why'), 'nodeplane why shop/broken')
  await eventually('the answer', async () =>
    (await textOf(tab, '#why')).includes('CAUSE: shop/broken has no ready endpoint'),
  )
  await tab.keyboard.press('Escape')
  await eventually(
    'its end',
    async () => !(await inPage<boolean>(tab, `document.querySelector('#why').open`)),
  )
})

t.test('who hears the page: each field, table and picture has a name', async t => {
  await using page = await opened(10)
  const { tab } = page
  const nameless = await inPage<string[]>(
    tab,
    `[...document.querySelectorAll('section, nav, dialog, input, select, svg[role], table, [role=table]')]
      .filter(each => !(each.getAttribute('aria-label') || each.getAttribute('aria-labelledby') ||
        each.labels?.length > 0 || each.querySelector('caption')))
      .map(each => each.outerHTML.slice(0, 80))`,
  )
  t.strictSame(nameless, [])
  t.equal(await inPage(tab, `document.querySelectorAll('th:not([scope])').length`), 0)
  t.equal(await inPage(tab, `document.documentElement.lang`), 'en')
  const tree = JSON.stringify(await tab.accessibility.snapshot())
  t.match(tree, '"role":"status"')
  t.match(tree, 'This node and 3 others')
})

t.test('light and dark, small, and from nowhere else', async t => {
  await using page = await opened(10)
  const { tab, url, requested, headers } = page
  const ground = () => inPage<string>(tab, `getComputedStyle(document.body).backgroundColor`)
  const light = await ground()
  await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
  t.not(await ground(), light)
  t.ok(
    requested.every(each => each.startsWith(url)),
    requested.join('\n'),
  )
  t.match(headers, { 'content-security-policy': /^default-src 'none'/ })
  const assets = new URL('../../src/agent/page/assets', import.meta.url).pathname
  const octets = readdirSync(assets).reduce(
    (sum, file) => sum + statSync(join(assets, file)).size,
    0,
  )
  t.ok(octets < 150_000, `${octets} octets`)
})

t.test('names from the cluster are text, whatever they say', async t => {
  await using page = await opened(10)
  const { tab, node } = page
  const name = '<img src=x onerror=alert(1)>'
  node.store.set('Service', service({ name, namespace: 'aaa', ips: ['10.96.9.9'] }))
  await eventually('the Service', async () => (await textOf(tab, '#service-rows')).includes(name))
  t.equal(await inPage(tab, `document.querySelectorAll('#service-rows img').length`), 0)
})
