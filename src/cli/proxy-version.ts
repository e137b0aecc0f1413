import { KUBERNETES_VERSION } from '#proxy/server/pages.ts'
import { versionFacts } from './version.ts'

/**
 * What `--version` prints (component-base, verflag): the version, with `raw` a struct as Go writes it, whose fields are
 * those of the metric kubernetes_build_info; undefined when the flag is not given, or false.
 */
export function proxyVersionText(asked: string | boolean | undefined): string | undefined {
  if (asked === undefined || asked === false || asked === 'false') return undefined
  const { version, node, platform, kernel } = versionFacts()
  if (asked !== 'raw') return `nodeplane ${version}\n`
  const [major = '', minor = ''] = KUBERNETES_VERSION.split('.')
  const info = {
    Major: major,
    Minor: minor,
    GitVersion: `v${version}`,
    NodeVersion: node,
    Platform: platform,
    Kernel: kernel,
  }
  const fields = Object.entries(info).map(([name, value]) => `${name}:${JSON.stringify(value)}`)
  return `version.Info{${fields.join(', ')}}\n`
}
