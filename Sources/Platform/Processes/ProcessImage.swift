internal import Glibc

/// The program that a process runs, held by its address space: an exec ends it, one of the same file as well.
///
/// A file of `/proc/PID` that shows an address space keeps to the one it was opened on, and shows nothing of it once no
/// process uses it. A process that shares its address space with another (`CLONE_VM` without `CLONE_THREAD`) keeps it
/// in use, so that its exec does not show.
public final class ProcessImage: Sendable {
    /// `/proc/PID/pagemap`: reading it pages nothing in, and changes nothing of the process.
    private let pages: OwnedFD

    /// Holds what a process runs now. EACCES, or ENOENT under `hidepid`, when this process may not look into that one:
    /// it belongs to another user, or its program is set-user-ID or not dumpable.
    ///
    /// The number must be that of a process that is held by a ``ProcessHandle`` and has not exited afterwards.
    public init(_ process: ProcessID) throws(SystemError) {
        let path = "/proc/\(process)/pagemap"
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw .last("open", path) }
        pages = OwnedFD(adopting: number)
    }

    /// Whether the process has exited or executed another program.
    ///
    /// Waits while the process changes its address space, for as long as the process likes: not for a thread that
    /// others depend on.
    public var hasEnded: Bool {
        // The entry of the page at address 0: 8 bytes, whether or not there is such a page.
        var entry: UInt64 = 0
        return unsafe pread(pages.rawValue, &entry, MemoryLayout<UInt64>.size, 0) == 0
    }

    /// Reads the entries of `count` pages from number `page` on. Returns how many there are before the end of the
    /// address space, or `nil` when no process uses it any more. Waits like ``hasEnded``.
    func readEntries(_ count: Int, from page: UInt64, into entries: UnsafeMutablePointer<UInt64>) -> Int? {
        let size = MemoryLayout<UInt64>.size
        let result = unsafe pread(pages.rawValue, entries, count * size, off_t(page) * size)
        return result > 0 ? result / size : nil
    }
}
