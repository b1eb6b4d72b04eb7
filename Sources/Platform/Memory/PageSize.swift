internal import Glibc

/// The page of this machine's memory management.
public enum PageSize {
    /// 4096 on x86-64.
    public static let byteCount = sysconf(CInt(_SC_PAGESIZE))
}
