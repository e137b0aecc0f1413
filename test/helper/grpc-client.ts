import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ChannelCredentials,
  type ChannelOptions,
  type Client,
  credentials,
  loadPackageDefinition,
  type ServiceError,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const PROTO = join(import.meta.dirname, '../fixtures/coredns-dns.proto')

type DnsPacket = { readonly msg: Uint8Array }
type DnsService = Client & {
  Query(
    packet: DnsPacket,
    done: (error: ServiceError | null, answer: DnsPacket | undefined) => void,
  ): void
}
type Definitions = {
  readonly coredns: {
    readonly dns: {
      readonly DnsService: new (
        target: string,
        channel: ChannelCredentials,
        options: ChannelOptions,
      ) => DnsService
    }
  }
}

/** A client of CoreDNS's gRPC service, generated from its definition. `using` closes it. */
export class GrpcClient implements Disposable {
  readonly #client: DnsService

  private constructor(port: number, channel: ChannelCredentials, options: ChannelOptions = {}) {
    const { coredns } = loadPackageDefinition(loadSync(PROTO)) as unknown as Definitions
    this.#client = new coredns.dns.DnsService(`127.0.0.1:${port}`, channel, options)
  }

  static inClear(port: number): GrpcClient {
    return new GrpcClient(port, credentials.createInsecure())
  }

  /** @param name that the server's certificate must have. */
  static async encrypted(port: number, caPath: string, name: string): Promise<GrpcClient> {
    const channel = credentials.createSsl(await readFile(caPath))
    return new GrpcClient(port, channel, { 'grpc.ssl_target_name_override': name })
  }

  /** @throws the status that the call ended with, its number as `code`. */
  ask(packet: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#client.Query({ msg: packet }, (error, answer) =>
        answer === undefined ? reject(error) : resolve(answer.msg),
      )
    })
  }

  [Symbol.dispose](): void {
    this.#client.close()
  }
}
