import t from 'tap'
import { Era, madeNow } from '#dns/era.ts'
import { cellOf, ERA_CELLS, EraCells } from '#dns/fast/era-cells.ts'

function setUp() {
  const memory = new SharedArrayBuffer(ERA_CELLS * 4)
  const shown = new Int32Array(memory)
  const isOfNow = (mark = 0) => shown[cellOf(mark)] === mark
  return { cells: new EraCells(memory), isOfNow }
}

t.test('what has no era has the mark 0', async t => {
  t.equal(setUp().cells.mark(undefined), 0)
})

t.test('the mark of an era is shown while it goes on', async t => {
  const { cells, isOfNow } = setUp()
  const [one, other] = [new Era(), new Era()]
  const mark = cells.mark(madeNow(one))
  const otherMark = cells.mark(madeNow(other))
  t.not(mark, otherMark)
  t.ok(isOfNow(mark) && isOfNow(otherMark))
  one.next()
  t.notOk(isOfNow(mark))
  t.ok(isOfNow(otherMark), 'another one goes on')
  t.ok(isOfNow(cells.mark(madeNow(one))), 'so does the next one')
})

t.test('an era that ended before it was first seen is not of now', async t => {
  const { cells, isOfNow } = setUp()
  const era = new Era()
  const former = madeNow(era)
  era.next()
  t.notOk(isOfNow(cells.mark(former)))
})

t.test('as many eras as there are cells; after clear there is room again', async t => {
  const { cells, isOfNow } = setUp()
  const eras = Array.from({ length: ERA_CELLS - 1 }, () => new Era())
  const marks = eras.map(era => cells.mark(madeNow(era)))
  t.equal(new Set(marks).size, ERA_CELLS - 1)
  t.ok(marks.every(isOfNow))
  t.equal(cells.mark(madeNow(new Era())), undefined)
  t.ok(cells.mark(madeNow(eras[0] as Era)), 'those that have one keep it')
  cells.clear()
  const mark = cells.mark(madeNow(new Era()))
  eras[0]?.next()
  t.ok(isOfNow(mark), 'former ones do not disturb it')
})
