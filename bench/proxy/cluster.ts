import { type EndpointSlice, SERVICE_NAME_LABEL, type Service } from '#cluster/objects.ts'
import { Store } from '#cluster/store.ts'
import { endpoint, service, servicePort, slice } from '../../test/helper/cluster.ts'

/** Ports of this machine where the probed Service's endpoints are. */
export const probePorts = [18081, 18082] as const

const ip = (base: string, index: number) => `${base}.${index >> 8}.${index & 255}`
export const clusterIP = (index: number): string => ip('10.96', index)
export const podIP = (index: number, number: number): string => ip(`10.${128 + number}`, index)

const serviceOf = (index: number): Service =>
  service({
    name: `s${index}`,
    clusterIP: clusterIP(index),
    ipFamilies: [4],
    ports: [servicePort({ name: 'p', protocol: 'UDP', port: 80 })],
  })

export function sliceOf(index: number, addresses: readonly string[], port = 8080): EndpointSlice {
  return slice({
    name: `s${index}-x`,
    labels: { [SERVICE_NAME_LABEL]: `s${index}` },
    ports: [{ name: 'p', protocol: 'UDP', port }],
    // One in a hundred pods is on this node.
    endpoints: addresses.map(address => endpoint(address, { nodeName: `node-${index % 100}` })),
  })
}

/** What every Service but the last one begins with. */
export const twoEndpoints = (index: number): EndpointSlice =>
  sliceOf(index, [podIP(index, 0), podIP(index, 1)])

/** So many Services with two endpoints each, and one more that leads to the first of {@link probePorts} on this machine. */
export function clusterOf(services: number): Store {
  const store = new Store()
  const numbers = Array.from({ length: services + 1 }, (_, index) => index)
  store.replaceAll('Service', numbers.map(serviceOf))
  store.replaceAll(
    'EndpointSlice',
    numbers.map(index =>
      index === services ? sliceOf(index, ['127.0.0.1'], probePorts[0]) : twoEndpoints(index),
    ),
  )
  return store
}
