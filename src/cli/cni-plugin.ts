/** The entry of plugin executables (dist/cni/…), which call it with the path they were called by. */
import { servePlugin } from '#cni/main.ts'
import { readStdin, writeStderr, writeStdout } from './standard-io.ts'
import { version } from './version.ts'

const { argv, env } = process
// SIGTERM simply ends the process: a runtime that kills a call follows it by DEL, which cleans up at any point.
const { signal } = new AbortController()
void servePlugin(argv[2] ?? '', version, {
  env,
  readStdin,
  writeStdout,
  writeStderr,
  signal,
}).then(exitCode => {
  process.exitCode = exitCode
})
