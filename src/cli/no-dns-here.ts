import { type CommandIo, EXIT_FAILURE } from './command-line.ts'

/** Says that the agent serves no DNS. Gives the exit code. */
export function noDnsHere({ stderr }: Pick<CommandIo, 'stderr'>): number {
  stderr.write('nodeplane: this agent serves no DNS: its configuration has dns: false\n')
  return EXIT_FAILURE
}
