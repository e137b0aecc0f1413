/**
 * Where the agent's routes say the MTU that pods can use on their way to other nodes: decimal digits and a line feed. The
 * bridge plugin takes it where its configuration has no `mtu`.
 */
export const OFFERED_MTU_FILE = '/run/nodeplane/mtu'
