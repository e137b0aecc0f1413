// Tables as kubectl prints them: `table(rows, [{ title: 'NAME', value: row => row.name }, …])`.

export type Column<Row> = {
  /** In capitals, as kubectl's. */
  readonly title: string
  /** An empty or missing value is shown as `<none>`. */
  readonly value: (row: Row) => string | number | undefined
  /** Shown with `-o wide` only. */
  readonly isWide?: boolean
  /** Colours a cell; gets the text that is shown. It must add no visible character. */
  readonly paint?: (text: string, row: Row) => string
}

/** kubectl's distance between columns. */
const GAP = '   '

/**
 * Rows under a line of titles, columns aligned, each line with its line end. Control characters in values (names come off the
 * wire) are shown as `?`, so that no value can move the cursor or begin a line.
 */
export function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { isWide = false }: { readonly isWide?: boolean } = {},
): string {
  const shown = columns.filter(column => isWide || column.isWide !== true)
  const cells = rows.map(row => shown.map(({ value }) => cellText(value(row))))
  const titles = shown.map(({ title }) => title)
  const widths = titles.map((title, index) =>
    cells.reduce((width, row) => Math.max(width, row[index]?.length ?? 0), title.length),
  )
  const line = (texts: readonly string[], painted: readonly string[]): string =>
    texts
      .map((text, index) => {
        const isLast = index === texts.length - 1
        return `${painted[index]}${isLast ? '' : ' '.repeat((widths[index] ?? 0) - text.length)}`
      })
      .join(GAP)
  const lines = rows.map((row, index) => {
    const texts = cells[index] ?? []
    const paintedTexts = texts.map((text, at) => shown[at]?.paint?.(text, row) ?? text)
    return line(texts, paintedTexts)
  })
  return [line(titles, titles), ...lines].map(text => `${text}\n`).join('')
}

function cellText(value: string | number | undefined): string {
  const text = printable(String(value ?? ''))
  return text === '' ? '<none>' : text
}

/** A text that a terminal shows as it is: control characters (C0, DEL, C1) become `?`. */
export const printable = (text: string): string => text.replace(/\p{Cc}/gu, '?')
