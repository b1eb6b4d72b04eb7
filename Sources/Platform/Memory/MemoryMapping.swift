internal import CPlatform
internal import Glibc

/// Pages mapped into this process for reading and writing, unmapped when the value ends.
///
/// The bytes of a shared mapping belong to another process as well: they can change between any two reads.
@safe
public struct MemoryMapping: ~Copyable, @unchecked Sendable {
    // @unchecked: the address and the size never change. Who may touch the bytes when is for the owner to arrange.

    /// What the kernel should know about a range of pages (madvise).
    public enum Advice: Hashable, Sendable {
        /// Drop the pages: anonymous memory reads as zero again, shared memory is read again from its file.
        case discard
        /// Allocate the pages now instead of at the first touch (Linux 5.14).
        case populate
        /// Prefer huge pages.
        case hugePages
        /// No huge pages.
        case noHugePages
        /// Leave the pages out of core dumps.
        case excludeFromCoreDumps
        /// Leave the pages out of forked children.
        case excludeFromForks
    }

    /// The first byte; page aligned, at the same address for the mapping's whole life.
    public let baseAddress: UnsafeMutableRawPointer
    /// The size in bytes, a multiple of ``PageSize/byteCount``.
    public let byteCount: Int

    /// Private memory of `byteCount` zero bytes; rounded up to whole pages. ENOMEM when there is not enough.
    public static func anonymous(byteCount: Int) throws(SystemError) -> MemoryMapping {
        precondition(byteCount > 0, "a mapping has at least one byte")
        let page = PageSize.byteCount
        let (rounded, overflow) = byteCount.addingReportingOverflow(page - 1)
        guard !overflow else { throw SystemError(operation: "mmap", code: ENOMEM) }
        return try MemoryMapping(descriptor: -1, byteCount: rounded / page * page)
    }

    init(descriptor: CInt, byteCount: Int) throws(SystemError) {
        guard let base = unsafe platform_map(descriptor, byteCount) else { throw .last("mmap", "\(byteCount) bytes") }
        unsafe baseAddress = base
        self.byteCount = byteCount
    }

    deinit {
        let result = unsafe munmap(baseAddress, byteCount)
        precondition(result == 0, "a mapping that was made can be unmapped")
    }

    /// All bytes. Valid while this value lives.
    public var bytes: UnsafeMutableRawBufferPointer {
        unsafe UnsafeMutableRawBufferPointer(start: baseAddress, count: byteCount)
    }

    /// Advises the kernel about the pages of `range`, in bytes from the start; both ends are multiples of the page
    /// size.
    public func advise(_ advice: Advice, range: Range<Int>) throws(SystemError) {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "the range lies in the mapping")
        let isAligned = (range.lowerBound | range.upperBound).isMultiple(of: PageSize.byteCount)
        precondition(isAligned, "advice is for whole pages")
        guard unsafe madvise(baseAddress + range.lowerBound, range.count, advice.rawValue) == 0 else {
            throw .last("madvise", "\(advice)")
        }
    }

    /// Advises the kernel about all pages.
    public func advise(_ advice: Advice) throws(SystemError) {
        try advise(advice, range: 0..<byteCount)
    }
}

extension MemoryMapping.Advice {
    fileprivate var rawValue: CInt {
        switch self {
        case .discard: CInt(PLATFORM_ADVICE_DISCARD)
        case .populate: CInt(PLATFORM_ADVICE_POPULATE)
        case .hugePages: CInt(PLATFORM_ADVICE_HUGE_PAGES)
        case .noHugePages: CInt(PLATFORM_ADVICE_NO_HUGE_PAGES)
        case .excludeFromCoreDumps: CInt(PLATFORM_ADVICE_DO_NOT_DUMP)
        case .excludeFromForks: CInt(PLATFORM_ADVICE_DO_NOT_FORK)
        }
    }
}
