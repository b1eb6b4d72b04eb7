/// WQCFG bytes 16 to 23: the interrupt that tells software that a WQ has run low (DSA 3.0 §9.3, dsa-device 6.4).
/// Writable at any time.
public struct OccupancyInterrupt: Hashable, Sendable, BitwiseCopyable {
    /// Byte 20, bit 16.
    public var isEnabled: Bool
    /// Byte 20, bits 15:0: it fires at an occupancy of at most this.
    public var limit: UInt16
    /// Byte 16, bits 15:0: what a descriptor would carry as its Completion Interrupt Handle.
    public var handle: UInt16
    /// Byte 16, bit 16: what the handle indexes.
    public var table: Portal.InterruptTable

    /// One that fires at `limit` through `handle` of `table`, if `isEnabled`.
    public init(
        isEnabled: Bool = false, limit: UInt16 = 0, handle: UInt16 = 0, table: Portal.InterruptTable = .msix
    ) {
        self.isEnabled = isEnabled
        self.limit = limit
        self.handle = handle
        self.table = table
    }
}
