/** The entry of plugin executables (dist/cni/…), which call it with the name they were called by and their own path. */
import { servePlugin } from '#cni/main.ts'
import { renderError } from '#cni/spec/error.ts'
import { newestCniVersion } from '#cni/spec/version.ts'
import { version } from '#runtime/version.ts'
import { readStdin, writeStderr, writeStdout } from './standard-io.ts'

/** Where nft and iptables are: nobody promises a plugin a PATH, or one with the folders of administrators in it. */
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const [, , name = '', self = name] = process.argv
// Delegates get the environment as it came; what we start ourselves is found in any case.
const env = { ...process.env }
process.env['PATH'] = [env['PATH'], SYSTEM_PATH].filter(Boolean).join(':')
// What escapes all handling still has to be an answer.
process.once('uncaughtException', error => {
  writeStderr(`${error.stack}\n`)
  void writeStdout(JSON.stringify(renderError(error, newestCniVersion))).finally(() =>
    process.exit(1),
  )
})
// SIGTERM simply ends the process: a runtime that kills a call follows it by DEL, which cleans up at any point.
const { signal } = new AbortController()
void servePlugin({ name, self }, version, {
  env,
  readStdin,
  writeStdout,
  writeStderr,
  signal,
}).then(exitCode => {
  process.exitCode = exitCode
})
