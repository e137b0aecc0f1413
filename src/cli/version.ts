export { version } from '#runtime/version.ts'
