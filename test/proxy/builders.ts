// Imports are being moved to the helper.
export { endpoint, service, servicePort, slice } from '../helper/cluster.ts'
