/** The entry of plugin executables (dist/cni/…), which call it with the path they were called by. */
import { servePlugin } from '#cni/main.ts'
import { version } from './version.ts'

const { argv, env, stdin, stdout, stderr } = process
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())
process.once('SIGINT', () => stop.abort())
const io = { env, stdin, stdout, stderr, signal: stop.signal }
void servePlugin(argv[2] ?? '', version, io).then(exitCode => {
  process.exitCode = exitCode
})
