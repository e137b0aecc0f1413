import { mkdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { openBrowser, StatusPage } from '../test/helper/status-page.ts'
import { endpoint, service, slice } from '../test/helper/zone-cluster.ts'

// Draws the status page for docs/status.md, light and dark: node scripts/screenshots.ts. Needs chromium-headless-shell.

const folder = join(import.meta.dirname, '../docs/images')
const MAX_OCTETS = 150_000

mkdirSync(folder, { recursive: true })
await using page = new StatusPage()
page.fill(2)
addServices()
page.asked(48_211)
const url = await page.start()
page.incidents.begin({ part: 'proxy', message: 'table ip nodeplane was removed', by: 'nft' })()
await using browser = await openBrowser()

for (const scheme of ['light', 'dark'] as const) {
  const tab = await browser.newPage()
  await tab.setViewport({ width: 1280, height: 800 })
  await tab.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }])
  await tab.goto(url)
  await tab.waitForSelector('table tbody tr')
  const path = join(folder, `status-${scheme}.png`)
  await tab.screenshot({ path: path as `${string}.png`, optimizeForSpeed: false })
  const { size } = statSync(path)
  if (size > MAX_OCTETS) throw new Error(`${path} has ${size} octets, more than ${MAX_OCTETS}`)
  console.log(`${path} ${size}`)
}

/** So that the list of Services looks like one. */
function addServices(): void {
  const { store } = page
  const names = ['cart', 'checkout', 'images', 'mail', 'orders', 'search', 'users']
  const services = names.map((name, n) =>
    service({ name, namespace: 'shop', ips: [`10.96.1.${10 + n}`] }),
  )
  const slices = names.map((of, n) => {
    const endpoints = Array.from({ length: 1 + (n % 3) }, (_, each) =>
      endpoint(`10.4.${each}.${20 + n}`),
    )
    return slice({ of, namespace: 'shop', endpoints })
  })
  store.replaceAll('Service', [...store.list('Service'), ...services])
  store.replaceAll('EndpointSlice', [...store.list('EndpointSlice'), ...slices])
}
