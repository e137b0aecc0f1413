/** Every released version of the CNI specification, oldest first. */
export const cniVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof cniVersions)[number]

/** The newest version this code speaks. */
export const newestCniVersion: CniVersion = '1.1.0'

/** Is this exactly one of the released versions? `1.0` and `v1.0.0` are not. */
export const isCniVersion = (text: string): text is CniVersion =>
  (cniVersions as readonly string[]).includes(text)

/** Is `version` as new as `bound`, or newer? */
export const isAtLeast = (version: CniVersion, bound: CniVersion): boolean =>
  cniVersions.indexOf(version) >= cniVersions.indexOf(bound)
