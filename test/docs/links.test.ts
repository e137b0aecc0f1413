import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const isOurs = (path: string): boolean => !/^(node_modules|dist|\.tap|tap-snapshots)\b/.test(path)
const pages = globSync('**/*.md', { cwd: root, exclude: path => !isOurs(path) }).filter(isOurs)

/** The anchors that a page's headings have where it is read in a browser. */
const anchorsOf = (text: string): readonly string[] =>
  [...text.matchAll(/^#+ +(.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

t.ok(pages.length > 10, 'there are pages')

for (const page of pages) {
  t.test(`the links of ${page} lead somewhere`, async t => {
    const text = readFileSync(join(root, page), 'utf8').replace(/```.*?```|`[^`\n]*`/gs, '')
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? join(root, page) : resolve(root, dirname(page), path)
      t.ok(existsSync(target), link)
      if (anchor !== undefined) t.ok(anchorsOf(readFileSync(target, 'utf8')).includes(anchor), link)
    }
  })
}

t.test('every page is reached from the index', async t => {
  const reached = new Set<string>()
  const visit = (page: string): void => {
    if (reached.has(page) || !existsSync(page)) return
    reached.add(page)
    const text = readFileSync(page, 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\(([^)#\s]+\.md)/g)) {
      if (!/^[a-z]+:/.test(link)) visit(resolve(dirname(page), link))
    }
  }
  visit(join(root, 'README.md'))
  for (const page of pages) t.ok(reached.has(join(root, page)), page)
})

t.test('what the sources and messages call a page of docs/ is there', async t => {
  for (const file of globSync('{src,scripts}/**/*.ts', { cwd: root })) {
    for (const [page] of readFileSync(join(root, file), 'utf8').matchAll(/\bdocs\/[\w/.-]+\.md/g)) {
      t.ok(existsSync(join(root, page)), `${file}: ${page}`)
    }
  }
})
