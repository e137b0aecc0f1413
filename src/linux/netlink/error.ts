import { NodeplaneError } from '#runtime/error.ts'
import { errnoName } from '../libc.ts'

/** The kernel refused a netlink request. */
export class NetlinkError extends NodeplaneError {
  readonly code = 'ERR_NETLINK'
  /** What was asked, for example `create veth veth0a1b2c3d`. */
  readonly operation: string
  /** Positive errno, for example 17 (EEXIST). */
  readonly errno: number
  /** The kernel's own words, for example `Nexthop has invalid gateway.`, or ''. */
  readonly sentence: string
  constructor(operation: string, errno: number, sentence = '') {
    super(`${operation}: ${errnoName(errno)}${sentence === '' ? '' : ` (${sentence})`}`)
    this.operation = operation
    this.errno = errno
    this.sentence = sentence
  }
}

/** How often a list that changed while it was read is read again before giving up. */
export const MAX_DUMP_ATTEMPTS = 20

/** EINTR: it never stood still. */
export const neverStill = (operation: string): NetlinkError =>
  new NetlinkError(operation, 4, 'the list kept changing while it was read')

const hasErrno = (error: unknown, ...numbers: readonly number[]): error is NetlinkError =>
  error instanceof NetlinkError && numbers.includes(error.errno)

/** ENOENT, ESRCH (routes), ENODEV (links), EADDRNOTAVAIL (addresses): what the request is about is not there. */
export const isNotFound = (error: unknown): boolean => hasErrno(error, 2, 3, 19, 99)

/** EBUSY: something uses what was to be removed. */
export const isBusy = (error: unknown): boolean => hasErrno(error, 16)

/** EEXIST: what was to be created is there. */
export const isExists = (error: unknown): boolean => hasErrno(error, 17)

/** EINVAL: the kernel does not take the request as it is, or has not got that part of nfnetlink. */
export const isInvalid = (error: unknown): boolean => hasErrno(error, 22)

/** EOPNOTSUPP: the kernel was built without it. */
export const isUnsupported = (error: unknown): boolean => hasErrno(error, 95)
