import { ExecError, exec } from '#linux/exec.ts'
import type { IpAddress } from '#net/ip.ts'

/*
 * firewalld is asked by its program, firewall-cmd: it costs some 0.2 s a call, which the reference's D-Bus connection does not, and
 * spares us a client of D-Bus.
 */

/** Is firewalld there and running? */
export async function isFirewalldRunning(signal: AbortSignal): Promise<boolean> {
  try {
    await exec('firewall-cmd', ['--state'], { signal })
    return true
  } catch (error) {
    if (error instanceof ExecError && !signal.aborted) return false
    throw error
  }
}

/** Makes addresses sources of a zone. One that is in a zone already stays there. @throws {ExecError} */
export async function addSources(
  zone: string,
  addresses: readonly IpAddress[],
  signal: AbortSignal,
): Promise<void> {
  for (const address of addresses) {
    await exec('firewall-cmd', [`--zone=${zone}`, `--add-source=${address}`], { signal }).catch(
      allow(/ZONE_ALREADY_SET/),
    )
  }
}

/** Takes addresses out of a zone; not to be in it is fine, and so is no firewalld. */
export async function removeSources(
  zone: string,
  addresses: readonly IpAddress[],
  signal: AbortSignal,
): Promise<void> {
  for (const address of addresses) {
    await exec('firewall-cmd', [`--zone=${zone}`, `--remove-source=${address}`], { signal }).catch(
      allow(/./s),
    )
  }
}

/** The addresses that are not in the zone. */
export async function missingSources(
  zone: string,
  addresses: readonly IpAddress[],
  signal: AbortSignal,
): Promise<readonly IpAddress[]> {
  const missing: IpAddress[] = []
  for (const address of addresses) {
    await exec('firewall-cmd', [`--zone=${zone}`, `--query-source=${address}`], { signal }).catch(
      error => {
        allow(/./s)(error)
        missing.push(address)
      },
    )
  }
  return missing
}

const allow =
  (pattern: RegExp) =>
  (error: unknown): undefined => {
    if (error instanceof ExecError && pattern.test(error.message)) return undefined
    throw error
  }
