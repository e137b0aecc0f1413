import {
  type ConfigObject,
  integerField,
  objectField,
  objectsField,
  stringField,
  stringsField,
} from './config-object.ts'

/**
 * Checks the types of what a runtime tells the plugins that declare a capability (CNI conventions, "dynamic plugin specific
 * fields"), also where the plugin does not use it: whoever wrote a port as a text meant something. Values are for the plugins
 * that use them; capabilities that are not known are passed over. ipRanges are host-local's, who reads them whole.
 * @throws {CniError} code 6, with the field's path.
 */
export function checkRuntimeConfig(fields: ConfigObject): void {
  const runtimeConfig = objectField(fields, 'runtimeConfig')
  if (runtimeConfig === undefined) return
  for (const mapping of objectsField(runtimeConfig, 'portMappings')) {
    for (const key of ['hostPort', 'containerPort']) integerField(mapping, key)
    for (const key of ['protocol', 'hostIP']) stringField(mapping, key)
  }
  const bandwidth = objectField(runtimeConfig, 'bandwidth')
  if (bandwidth !== undefined) {
    for (const key of ['ingressRate', 'ingressBurst', 'egressRate', 'egressBurst']) {
      integerField(bandwidth, key)
    }
  }
  const dns = objectField(runtimeConfig, 'dns')
  if (dns !== undefined) {
    for (const key of ['servers', 'searches', 'options']) stringsField(dns, key)
  }
  for (const key of ['ips', 'aliases']) stringsField(runtimeConfig, key)
  for (const key of ['mac', 'cgroupPath', 'deviceID', 'infinibandGUID']) {
    stringField(runtimeConfig, key)
  }
}
