internal import Glibc

/// The page of this machine's memory management.
package enum PageSize {
    /// 4096 on x86-64.
    package static let byteCount = sysconf(CInt(_SC_PAGESIZE))
}
