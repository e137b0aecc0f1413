/** A piece of a file that is parsed at once: a document, or one item of a list. */
export type Chunk = {
  readonly text: string
  /** The line of the file on which the text begins, 1-based. */
  readonly line: number
  /** The list that the text is an item of; its `kind` and `apiVersion` go for items that name none. */
  readonly list?: ListHeader | undefined
}

/** What a list says of itself. `isSequence`: an item's text is a sequence with this one item. */
export type ListHeader = { readonly text: string; readonly isSequence: boolean }

/** Documents above this size, in bytes, are looked at for a list that can be taken item by item. */
const SPLIT_ABOVE_BYTES = 16 * 1024
/** Lines scanned between two pauses. */
const LINES_A_TURN = 2000

const NEWLINE = 10
const CARRIAGE_RETURN = 13
const SPACE = 32
const TAB = 9
const HASH = 35
const DASH = 45

/** A line of a file: its first byte, the byte after it (its newline, or the end), and its number, 1-based. */
type Line = { readonly start: number; readonly end: number; readonly number: number }
type Range = { readonly start: number; readonly end: number; readonly line: number }

/**
 * Cuts YAML into documents without parsing it, at the lines that begin with `---` or `...`: in YAML these are markers
 * wherever they stand (YAML 1.2.2, section 9.1.2). A large document that holds a list (`kubectl get -o yaml`) is cut into
 * its items. Yields undefined now and then, for the caller to give way to other work.
 */
export function* yamlDocuments(bytes: Buffer): Generator<Chunk | undefined> {
  for (const range of documentRanges(bytes)) {
    if (range === undefined) yield undefined
    else if (range.end - range.start < SPLIT_ABOVE_BYTES) yield chunkOf(bytes, range)
    else yield* largeDocument(bytes, range)
  }
}

function* documentRanges(bytes: Buffer): Generator<Range | undefined> {
  let start = 0
  let line = 1
  let hasContent = false
  for (const at of linesOf(bytes, { start: 0, end: bytes.length, line: 1 })) {
    const isStart = isMarker(bytes, at, '---')
    if (isStart || isMarker(bytes, at, '...')) {
      if (hasContent) yield { start, end: at.start, line }
      // A document may begin on the line of its marker.
      start = isStart ? at.start : Math.min(at.end + 1, bytes.length)
      line = isStart ? at.number : at.number + 1
      hasContent = isStart && !isBlank(bytes, { ...at, start: at.start + 3 })
    } else if (!hasContent) {
      // `%` begins a directive, which is no content.
      hasContent = !isBlank(bytes, at) && bytes[at.start] !== 37
    }
    if (at.number % LINES_A_TURN === 0) yield undefined
  }
  if (hasContent) yield { start, end: bytes.length, line }
}

function* largeDocument(bytes: Buffer, range: Range): Generator<Chunk | undefined> {
  const parts = yield* listParts(bytes, range)
  if (parts === undefined || hasAnchor(bytes, range)) {
    yield chunkOf(bytes, range)
    return
  }
  const { itemsLine, items, end } = parts
  const list = {
    text: bytes.toString('utf8', range.start, itemsLine) + bytes.toString('utf8', end, range.end),
    isSequence: true,
  }
  for (const [index, { start, number }] of items.entries()) {
    const itemEnd = items[index + 1]?.start ?? end
    yield { ...chunkOf(bytes, { start, end: itemEnd, line: number }), list }
  }
}

type ListParts = {
  /** Where the line `items:` begins. */
  readonly itemsLine: number
  /** The first lines of the items. */
  readonly items: readonly Line[]
  /** The byte after the last item. */
  readonly end: number
}

/**
 * Finds the items of a list in block style. Only the dashes of the items stand at their depth: whatever belongs to an item,
 * text of several lines too, is indented further (YAML 1.2.2, section 6.1).
 */
function* listParts(bytes: Buffer, range: Range): Generator<undefined, ListParts | undefined> {
  let itemsLine: number | undefined
  let depth: number | undefined
  const items: Line[] = []
  for (const at of linesOf(bytes, range)) {
    if (at.number % LINES_A_TURN === 0) yield undefined
    if (itemsLine === undefined) {
      if (isItemsLine(bytes, at)) itemsLine = at.start
      continue
    }
    if (isBlank(bytes, at)) continue
    const indent = indentOf(bytes, at)
    depth ??= indent
    if (indent === depth && isDash(bytes, { ...at, start: at.start + indent })) items.push(at)
    else if (indent <= depth)
      return items.length > 0 ? { itemsLine, items, end: at.start } : undefined
  }
  return itemsLine !== undefined && items.length > 0
    ? { itemsLine, items, end: range.end }
    : undefined
}

/**
 * Is there something that looks like an anchor, whose aliases could stand in other items? `&` and a word where a value may
 * begin: not the `&&` of a shell or the `&` of a text.
 */
function hasAnchor(bytes: Buffer, { start, end }: Range): boolean {
  for (let at = bytes.indexOf('&', start); at >= 0 && at < end; at = bytes.indexOf('&', at + 1)) {
    let before = at - 1
    while (bytes[before] === SPACE) before--
    const around = String.fromCharCode(bytes[before] ?? NEWLINE, bytes[at + 1] ?? NEWLINE)
    if (/[-:?,[{\n]\w/.test(around)) return true
  }
  return false
}

function* linesOf(bytes: Buffer, range: Range): Generator<Line> {
  let number = range.line
  for (let start = range.start; start < range.end; number++) {
    const newline = bytes.indexOf(NEWLINE, start)
    const end = newline < 0 || newline > range.end ? range.end : newline
    yield { start, end, number }
    start = end + 1
  }
}

const chunkOf = (bytes: Buffer, { start, end, line }: Range): Chunk => ({
  text: bytes.toString('utf8', start, end),
  line,
})

/** Three marker characters at the start of a line, and then a blank or the end of the line. */
function isMarker(bytes: Buffer, { start, end }: Line, marker: '---' | '...'): boolean {
  const character = marker.charCodeAt(0)
  if (end - start < 3) return false
  for (let at = start; at < start + 3; at++) if (bytes[at] !== character) return false
  return end - start === 3 || isSpace(bytes[start + 3])
}

/** Nothing but blanks, or a comment. */
function isBlank(bytes: Buffer, { start, end }: Line): boolean {
  let at = start
  while (at < end && isSpace(bytes[at])) at++
  return at >= end || bytes[at] === HASH
}

const isSpace = (byte: number | undefined) =>
  byte === SPACE || byte === TAB || byte === CARRIAGE_RETURN

function indentOf(bytes: Buffer, { start, end }: Line): number {
  let at = start
  while (at < end && bytes[at] === SPACE) at++
  return at - start
}

const isDash = (bytes: Buffer, { start, end }: Line): boolean =>
  bytes[start] === DASH && (start + 1 === end || isSpace(bytes[start + 1]))

const ITEMS = Buffer.from('items:')
const isItemsLine = (bytes: Buffer, { start, end }: Line): boolean =>
  end - start >= ITEMS.length &&
  bytes.compare(ITEMS, 0, ITEMS.length, start, start + ITEMS.length) === 0 &&
  isBlank(bytes, { start: start + ITEMS.length, end, number: 0 })
