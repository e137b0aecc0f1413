import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exec } from '#linux/exec.ts'

/** A certificate and its key: PEM texts, and the files that hold them. */
export type Pair = {
  readonly cert: string
  readonly key: string
  readonly certPath: string
  readonly keyPath: string
}

/** A certificate authority for one test, made by openssl and gone with the test: no private key is ever kept. */
export class TestAuthority implements AsyncDisposable {
  readonly folder: string
  #ca: Pair | undefined
  #count = 0

  private constructor(folder: string) {
    this.folder = folder
  }

  static async create(): Promise<TestAuthority> {
    const authority = new TestAuthority(await mkdtemp(join(tmpdir(), 'certificates-')))
    const constraint = ['-addext', 'basicConstraints=critical,CA:TRUE']
    authority.#ca = await authority.#make('/CN=test authority', [
      '-x509',
      '-days',
      '2',
      ...constraint,
    ])
    return authority
  }

  /** The authority's own certificate. */
  get ca(): Pair {
    if (this.#ca === undefined) throw new Error('not made yet')
    return this.#ca
  }

  /** A certificate for a server (`DNS:name` or `IP:address`) or for a client (by common name alone). */
  async issue(commonName: string, subjectAltName?: string): Promise<Pair> {
    const names =
      subjectAltName === undefined ? [] : ['-addext', `subjectAltName=${subjectAltName}`]
    const { certPath, keyPath } = this.ca
    const signed = ['-x509', '-days', '2', '-CA', certPath, '-CAkey', keyPath]
    const leaf = ['-addext', 'basicConstraints=critical,CA:FALSE']
    return this.#make(`/CN=${commonName}`, [...signed, ...leaf, ...names])
  }

  /** Writes a file beside the certificates and gives its path. */
  async write(name: string, text: string, mode = 0o600): Promise<string> {
    const path = join(this.folder, name)
    await writeFile(path, text, { mode })
    return path
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true })
  }

  async #make(subject: string, options: readonly string[]): Promise<Pair> {
    const name = `pair${this.#count++}`
    const certPath = join(this.folder, `${name}.crt`)
    const keyPath = join(this.folder, `${name}.key`)
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    const files = ['-keyout', keyPath, '-out', certPath]
    await exec('openssl', ['req', '-new', ...key, '-subj', subject, ...files, ...options])
    const [cert, keyText] = await Promise.all([
      readFile(certPath, 'utf8'),
      readFile(keyPath, 'utf8'),
    ])
    return { cert, key: keyText, certPath, keyPath }
  }
}
