/// One of the four pages through which a WQ takes descriptors (DSA 3.0 §9.3).
public struct Portal: Hashable, Sendable, BitwiseCopyable {
    /// How much of the WQ a page may fill.
    public enum Limit: UInt8, Sendable, BitwiseCopyable {
        /// Up to the WQ Size. Privileged software only.
        case unlimited = 0
        /// Up to the WQ Threshold.
        case limited = 1
    }

    /// Which table the Completion Interrupt Handle of a descriptor indexes.
    public enum InterruptTable: UInt8, Sendable, BitwiseCopyable {
        case msix = 0
        case ims = 1
    }

    /// The index of the WQ. It need not exist.
    public let workQueue: Int
    /// Bit 12 of the portal's offset in BAR2.
    public let limit: Limit
    /// Bit 13 of the portal's offset in BAR2.
    public let interruptTable: InterruptTable

    /// The portal of WQ `workQueue` with this limit and interrupt table.
    @inlinable
    public init(workQueue: Int, limit: Limit, interruptTable: InterruptTable) {
        self.workQueue = workQueue
        self.limit = limit
        self.interruptTable = interruptTable
    }

    /// The portal that BAR2 decodes at `offset`: 16 KiB per WQ, 4 KiB per portal; bits 11:0 are not decoded.
    @inlinable
    public init(bar2Offset offset: UInt64) {
        workQueue = Int(truncatingIfNeeded: offset >> 14)
        limit = offset >> 12 & 1 == 0 ? .unlimited : .limited
        interruptTable = offset >> 13 & 1 == 0 ? .msix : .ims
    }

    /// Where the portal's page begins in BAR2.
    @inlinable public var bar2Offset: UInt64 {
        UInt64(workQueue) << 14 | UInt64(interruptTable.rawValue) << 13 | UInt64(limit.rawValue) << 12
    }
}
