import type { Kind } from '../objects.ts'

/** Where the API server keeps a kind, and what RBAC rules call it. */
export type Resource = {
  /** In all namespaces. */
  readonly path: string
  /** Empty for the core group. */
  readonly group: string
  readonly plural: string
  /**
   * Older API servers or those without its CRD do not have it, older ClusterRoles do not allow it: then it counts as listed, and there
   * is none.
   */
  readonly isOptional?: true
}

export const resources: { readonly [K in Kind]: Resource } = {
  Service: { path: '/api/v1/services', group: '', plural: 'services' },
  EndpointSlice: {
    path: '/apis/discovery.k8s.io/v1/endpointslices',
    group: 'discovery.k8s.io',
    plural: 'endpointslices',
  },
  Node: { path: '/api/v1/nodes', group: '', plural: 'nodes' },
  Namespace: { path: '/api/v1/namespaces', group: '', plural: 'namespaces' },
  Pod: { path: '/api/v1/pods', group: '', plural: 'pods' },
  ServiceCIDR: {
    path: '/apis/networking.k8s.io/v1/servicecidrs',
    group: 'networking.k8s.io',
    plural: 'servicecidrs',
    isOptional: true,
  },
  ServiceImport: {
    path: '/apis/multicluster.x-k8s.io/v1alpha1/serviceimports',
    group: 'multicluster.x-k8s.io',
    plural: 'serviceimports',
    isOptional: true,
  },
}
