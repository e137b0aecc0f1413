/** A bar with the least and the most that was measured. */
export type Bar = {
  readonly label: string
  readonly value: number
  readonly low: number
  readonly high: number
}

export type BarChart = {
  readonly title: string
  readonly unit: string
  /** Below the bars: when, where, how. */
  readonly note: string
  /** The first is ours and drawn so. */
  readonly bars: readonly Bar[]
}

const WIDTH = 760
const LABEL_WIDTH = 170
const VALUE_WIDTH = 130
const TOP = 48
const ROW = 34
const BAR = 20
const PLOT_WIDTH = WIDTH - LABEL_WIDTH - VALUE_WIDTH

/** Horizontal bars from zero on, as SVG that needs nothing else; readable on light and dark ground. */
export function barChart({ title, unit, note, bars }: BarChart): string {
  const most = Math.max(...bars.map(({ high }) => high).filter(Number.isFinite), Number.MIN_VALUE)
  const x = (value: number) => (LABEL_WIDTH + (value / most) * PLOT_WIDTH).toFixed(1)
  const rows = bars.flatMap(({ label, value, low, high }, index) => {
    const top = TOP + index * ROW
    const middle = top + BAR / 2
    const colour = label.startsWith('nodeplane') ? '#2563eb' : '#94a3b8'
    const width = ((value / most) * PLOT_WIDTH).toFixed(1)
    return [
      text({ x: LABEL_WIDTH - 8, y: middle + 4, anchor: 'end' }, label),
      `<rect x="${LABEL_WIDTH}" y="${top}" width="${width}" height="${BAR}" fill="${colour}"/>`,
      `<path d="M${x(low)} ${middle}H${x(high)}M${x(low)} ${middle - 4}v8M${x(high)} ${middle - 4}v8" stroke="#111" fill="none"/>`,
      text({ x: WIDTH - VALUE_WIDTH + 8, y: middle + 4 }, `${rounded(value)} ${unit}`),
    ]
  })
  const height = TOP + bars.length * ROW + 24
  const lines = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13">`,
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    text({ x: 12, y: 26, weight: 'bold' }, `${title} (${unit})`),
    ...rows,
    text({ x: 12, y: height - 10, fill: '#555' }, note),
    '</svg>',
  ]
  return `${lines.join('\n')}\n`
}

function text(
  {
    x,
    y,
    anchor = 'start',
    weight = 'normal',
    fill = '#111',
  }: { x: number; y: number; anchor?: string; weight?: string; fill?: string },
  content: string,
): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" font-weight="${weight}" fill="${fill}">${escaped}</text>`
}

const rounded = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
