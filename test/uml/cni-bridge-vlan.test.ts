// The machine's kernel may be built without VLANs of bridges; user-mode Linux has them.
await import('../kernel/cni-bridge-vlan.test.ts')
