// Numbers and times for people.

/** @param {number | undefined} number */
export const count = number =>
  number === undefined ? '–' : Math.round(number).toLocaleString('en')

/**
 * Three digits at most before the unit.
 * @param {number | undefined} bytes
 */
export function bytes(bytes) {
  if (bytes === undefined) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

/**
 * Of nothing there is no share.
 * @param {number} part
 * @param {number} whole
 */
export const share = (part, whole) => (whole === 0 ? '–' : `${Math.round((part / whole) * 100)} %`)

/**
 * In the two largest units.
 * @param {number} ms
 */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`
  const hours = Math.floor(minutes / 60)
  if (hours < 24) return `${hours} h ${minutes % 60} min`
  return `${Math.floor(hours / 24)} d ${hours % 24} h`
}

/** @param {number} ms since the epoch */
export const time = ms => new Date(ms).toLocaleTimeString('en-GB')
