// `-o json|yaml|wide`: `.addOption(outputOption())`, then `io.stdout.write(await printAs(options.output, value, toTable))`.
import { Option } from 'commander'

export const outputFormats = ['json', 'yaml', 'wide'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** The option `-o, --output`, with the formats that a command knows. */
export const outputOption = (formats: readonly OutputFormat[] = outputFormats): Option =>
  new Option('-o, --output <format>', 'print for programs, or with more columns').choices(formats)

/**
 * The text of a value: JSON or YAML of all of it, else what `toTable` makes of it for people. JSON and YAML are an interface:
 * their fields stay. bigint becomes a decimal string, as in the Kubernetes API.
 */
export async function printAs<T>(
  format: OutputFormat | undefined,
  value: T,
  toTable: (value: T, options: { readonly isWide: boolean }) => string,
): Promise<string> {
  if (format === undefined || format === 'wide')
    return toTable(value, { isWide: format === 'wide' })
  const json = JSON.stringify(
    value,
    (_key, item: unknown) => (typeof item === 'bigint' ? String(item) : item),
    2,
  )
  if (format === 'json') return `${json}\n`
  return (await import('./yaml.ts')).toYaml(JSON.parse(json))
}
