import { ZoneFileError } from './zone-file-error.ts'

/** Records that one line may make. */
const MAX_RECORDS = 65_536

/** The lines that `$GENERATE START-STOP[/STEP] WORDS...` stands for (BIND's directive). @throws {ZoneFileError} */
export function* generated(range: string, words: readonly string[]): Generator<string> {
  const [, startText, stopText, stepText = '1'] =
    /^(\d{1,10})-(\d{1,10})(?:\/(\d{1,10}))?$/.exec(range) ?? []
  const [start, stop, step] = [Number(startText), Number(stopText), Number(stepText)]
  if (startText === undefined || start > stop || step === 0) {
    throw new ZoneFileError(
      `$GENERATE: '${range}' is no range, write START-STOP or START-STOP/STEP`,
    )
  }
  if ((stop - start) / step >= MAX_RECORDS) {
    throw new ZoneFileError(`$GENERATE: more than ${MAX_RECORDS} records`)
  }
  const text = words.join(' ')
  for (let number = start; number <= stop; number += step) yield substituted(text, number)
}

/** `$` is the number, `${OFFSET,WIDTH,BASE}` a changed and formatted one, `\$` a dollar sign. */
const substituted = (text: string, number: number): string =>
  text.replace(
    /\\\$|\$\{(-?\d{1,10})(?:,(\d{1,2})(?:,([doxX]))?)?\}|\$/g,
    (part, offset: string | undefined, width = '0', base = 'd') =>
      part === '\\$' ? '$' : formatted(number + Number(offset ?? 0), Number(width), String(base)),
  )

function formatted(value: number, width: number, base: string): string {
  const radix = base === 'o' ? 8 : base === 'd' ? 10 : 16
  const text = value.toString(radix).padStart(width, '0')
  return base === 'X' ? text.toUpperCase() : text
}
