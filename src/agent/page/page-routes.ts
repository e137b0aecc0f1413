import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import type { HttpAnswer, HttpRoutes } from '#runtime/http-server.ts'

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}

/** The page loads nothing from elsewhere, and nobody shows it inside of his own. */
const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-cache',
}

/** The files of the status page as they are in its folder; `/` is the page. Read once. */
export function pageRoutes(): HttpRoutes {
  // In a build the files lie beside the bundle.
  const folder = ['assets', 'page'].map(name => join(import.meta.dirname, name)).find(existsSync)
  if (folder === undefined) return {}
  const routes: Record<string, () => HttpAnswer> = {}
  for (const file of readdirSync(folder)) {
    const contentType = contentTypes[extname(file)]
    if (contentType === undefined) continue
    const answer = {
      status: 200,
      body: readFileSync(join(folder, file), 'utf8'),
      contentType,
      headers,
    }
    routes[file === 'index.html' ? '/' : `/${file}`] = () => answer
  }
  return routes
}
