/** The link that holds the addresses of Services in mode ipvs (kube-proxy's name), shared by both families. */
export const DUMMY_LINK = 'kube-ipvs0'
