// Apart, so that it is loaded only for `-o yaml`; and imported by name, because the bundle's late import of the package has no names.
import { stringify } from 'yaml'

/** A value as YAML, without folded lines. */
export const toYaml = (value: unknown): string => stringify(value, { lineWidth: 0 })
