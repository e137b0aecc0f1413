import { type Table, tables } from './iptables-render.ts'

/** Chains and rules of what iptables-save says, a line each, by table. A table that is not there has none. */
export function savedLines(text: string): ReadonlyMap<Table, readonly string[]> {
  const lines = new Map(tables.map(table => [table, [] as string[]]))
  let current: string[] | undefined
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) current = lines.get(line.slice(1) as Table)
    else if (/^[:-]/.test(line)) current?.push(line)
  }
  return lines
}
