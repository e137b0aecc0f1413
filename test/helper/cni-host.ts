import { CLONE_NEWNET, setns } from '#linux/libc.ts'
import { NetworkNamespace } from '#linux/namespace.ts'
import { TestNamespace } from './namespace.ts'

/**
 * A fresh network namespace that this process is in until it is disposed: the host of the plugins that a test calls in
 * this process.
 */
export async function enterHost(): Promise<TestNamespace & AsyncDisposable> {
  const host = await TestNamespace.create('host')
  const before = NetworkNamespace.own()
  using namespace = NetworkNamespace.open(host.path)
  setns(namespace.fd, CLONE_NEWNET)
  const remove = host[Symbol.asyncDispose].bind(host)
  host[Symbol.asyncDispose] = async () => {
    setns(before.fd, CLONE_NEWNET)
    before[Symbol.dispose]()
    await remove()
  }
  return host
}
