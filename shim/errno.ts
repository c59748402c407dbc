/**
 * Names and sentences for the errors that the shim returns as `-errno`.
 *
 * Only what this server can meet is listed; anything else prints as `errno 123`. The numbers are those of Linux on
 * x86-64 and arm64, which agree for all of these.
 *
 * @module
 */

const ERRORS: ReadonlyArray<readonly [number, string, string]> = [
  [1, "EPERM", "operation not permitted"],
  [2, "ENOENT", "no such file or directory"],
  [4, "EINTR", "interrupted"],
  [9, "EBADF", "not a descriptor of ours"],
  [11, "EAGAIN", "nothing to do now"],
  [12, "ENOMEM", "the kernel has no memory for it"],
  [13, "EACCES", "permission denied"],
  [14, "EFAULT", "a buffer is missing or detached"],
  [16, "EBUSY", "in use"],
  [17, "EEXIST", "exists already"],
  [20, "ENOTDIR", "part of the path is no directory"],
  [22, "EINVAL", "invalid argument"],
  [23, "ENFILE", "the system has no file descriptors left"],
  [24, "EMFILE", "this process has no file descriptors left"],
  [30, "EROFS", "the file system is read-only"],
  [32, "EPIPE", "the peer is gone"],
  [36, "ENAMETOOLONG", "the path is too long"],
  [38, "ENOSYS", "this kernel does not have the call"],
  [71, "EPROTO", "protocol error"],
  [88, "ENOTSOCK", "not a socket"],
  [95, "EOPNOTSUPP", "not supported"],
  [97, "EAFNOSUPPORT", "the address family is not available"],
  [98, "EADDRINUSE", "the address is in use"],
  [99, "EADDRNOTAVAIL", "the address is not one of this machine"],
  [100, "ENETDOWN", "the network is down"],
  [101, "ENETUNREACH", "the network is unreachable"],
  [103, "ECONNABORTED", "the connection was aborted"],
  [104, "ECONNRESET", "the peer reset the connection"],
  [105, "ENOBUFS", "the kernel has no buffers left"],
  [107, "ENOTCONN", "not connected"],
  [110, "ETIMEDOUT", "timed out"],
  [111, "ECONNREFUSED", "nobody listens there"],
  [113, "EHOSTUNREACH", "the host is unreachable"],
  [116, "ESTALE", "the connection is gone"],
];

/** `-EAGAIN` and its kin, as the shim returns them: compared on hot paths. */
export const EAGAIN: number = -11;
export const EACCES: number = -13;
export const ENOMEM: number = -12;
export const ENFILE: number = -23;
export const EMFILE: number = -24;
export const ENOSYS: number = -38;
export const EAFNOSUPPORT: number = -97;
export const EADDRINUSE: number = -98;
export const EADDRNOTAVAIL: number = -99;
export const ENOBUFS: number = -105;
export const ECONNREFUSED: number = -111;
export const ESTALE: number = -116;

/** The symbolic name of an errno, whether given as `13` or as the shim's `-13`: `EACCES`. */
export function errnoName(errno: number): string {
  const row = ERRORS.find(([number]) => number === Math.abs(errno));
  return row ? row[1] : `errno ${Math.abs(errno)}`;
}

/** What an errno means, ending in its name: `permission denied (EACCES)`. */
export function describeErrno(errno: number): string {
  const row = ERRORS.find(([number]) => number === Math.abs(errno));
  return row ? `${row[2]} (${row[1]})` : `errno ${Math.abs(errno)}`;
}
