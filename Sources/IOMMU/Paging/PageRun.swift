import PCIe

/// What a walk found: the page of an address, and the pages after it that continue it in host memory.
struct PageRun: Equatable, BitwiseCopyable {
    /// Where the byte at the address lies.
    var host: UInt64
    /// The size of the translated page as a power of two: 12, 21 or 30.
    var pageShift: UInt8
    /// How many bytes from the address on lie in a row from ``host`` on and permit the access: to the end of the page,
    /// or of the last of several pages.
    var byteCount: UInt64

    /// Adds the page at `next` when it is the one that follows in memory. Returns whether it did.
    ///
    /// - Precondition: The last page is of 4 KiB, and so is the next.
    @inline(__always)
    mutating func append(_ next: UInt64) -> Bool {
        guard next == host &+ byteCount else { return false }
        byteCount &+= pageByteCount
        return true
    }
}

/// The answer of a walk.
enum PageRunResult: BitwiseCopyable {
    case run(PageRun)
    case fault(TranslationFault)

    @inline(__always)
    static func fault(_ reason: FaultReason) -> Self { .fault(TranslationFault(reason: reason)) }

    /// The fault with `reason` that the second stage raised on `address`.
    @inline(__always)
    static func fault(_ reason: FaultReason, secondStageAddress address: UInt64) -> Self {
        .fault(TranslationFault(reason: reason, secondStageAddress: GuestPhysicalAddress(rawValue: address)))
    }

    /// The end of every walk: from `host` to the end of its page, whose size is `offsetMask` and 1. The interrupt range
    /// is not memory, whatever the tables say (§6.2), and a large page that contains it ends before it.
    @inline(__always)
    static func page(host: UInt64, offsetMask: UInt64) -> Self {
        let interruptRange: Range<UInt64> = 0xFEE0_0000..<0xFEF0_0000
        guard !interruptRange.contains(host) else { return .fault(.outputInInterruptRange) }
        var byteCount = offsetMask &+ 1 &- host & offsetMask
        if host < interruptRange.lowerBound { byteCount = min(byteCount, interruptRange.lowerBound - host) }
        return .run(
            PageRun(
                host: host, pageShift: UInt8(truncatingIfNeeded: (offsetMask &+ 1).trailingZeroBitCount),
                byteCount: byteCount))
    }
}

extension Translation {
    /// What a walk found.
    @inline(__always)
    init(_ result: PageRunResult) {
        switch result {
        case .run(let run): self = .translated(HostPhysicalAddress(rawValue: run.host), remaining: run.byteCount)
        case .fault(let fault): self = .fault(fault)
        }
    }
}
