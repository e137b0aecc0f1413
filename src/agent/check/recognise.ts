/** Files that nodeplane reads its configuration from. */
export const configKinds = ['corefile', 'kube-proxy', 'cni', 'agent'] as const
export type ConfigKind = (typeof configKinds)[number]

/** For people. */
export const kindNames: Readonly<Record<ConfigKind, string>> = {
  corefile: 'Corefile',
  'kube-proxy': 'KubeProxyConfiguration',
  cni: 'CNI network configuration',
  agent: 'agent configuration',
}

const KUBE_PROXY =
  /(?:^|[{,])\s*"?(kind"?\s*:\s*["']?KubeProxyConfiguration\b|apiVersion"?\s*:\s*["']?kubeproxy\.config\.k8s\.io\/)/m
/** `{` and then a string or nothing; a Corefile may begin with `{$NAME}`. */
const JSON_OBJECT = /^\s*\{\s*("|\}|$)/
const AGENT = /^(nodeName|cluster|proxy|dns|cni|routes|http|log)\s*:(\s|$)/m
/** `.:53 {`; in YAML no line that ends so begins with a plain word. */
const SERVER_BLOCK = /^[^\s#:'"{}[\]-][^\n'"[\]]*\{\s*(#.*)?$/m
/** A file with a single block needs no braces: its second line is a plugin. */
const PLAIN_BLOCK = /^\s*\S+\s*\n\s*[a-z0-9_]+(\s+[^\n:]*)?$/m

/** What a text is meant to be, though it may be broken; undefined where nothing tells. Pure. */
export function recognise(text: string): ConfigKind | undefined {
  if (KUBE_PROXY.test(text)) return 'kube-proxy'
  if (JSON_OBJECT.test(text)) return /"(plugins|type|cniVersion)"\s*:/.test(text) ? 'cni' : 'agent'
  if (AGENT.test(text)) return 'agent'
  if (SERVER_BLOCK.test(text) || /^\(\S+\)\s*\{/m.test(text)) return 'corefile'
  return PLAIN_BLOCK.test(text) && !/^\s*[\w"']+\s*:/m.test(text) ? 'corefile' : undefined
}
