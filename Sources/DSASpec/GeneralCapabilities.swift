/// GENCAP, BAR0 + 0x10, read-only (DSA 3.0 §9.2.2): what the device can do, fixed for its life.
public struct GeneralCapabilities: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits of the register.
    public let rawValue: UInt64

    /// The capabilities that these 64 bits state.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// What production DSA 1.0 parts report: BOF, overlapping moves, cache control, destination readback, transfers of
    /// 2^31 bytes, batches of 1024, 2048 IMS entries, configurable. Bit 38 is set on them too; its meaning is unknown.
    public static let dsa1 = Self(rawValue: 0x40_915F_0107)

    /// A DSA 2.0 part of the same size: besides, stride of Translation Fetch, Fill with 16 bytes of pattern, CRC64,
    /// event log with entries of 64 bytes, which drops what finds it full, fault info, and batch continuation.
    public static let dsa2 = Self(rawValue: 0x1_915F_BD87)

    /// Bit 0: Block on Fault.
    @inlinable public var supportsBlockOnFault: Bool { has(0) }

    /// Bit 1: source and destination of a Memory Move may overlap.
    @inlinable public var supportsOverlappingMoves: Bool { has(1) }

    /// Bit 2: Cache Control of operations that write memory.
    @inlinable public var supportsCacheControl: Bool { has(2) }

    /// Bit 3: Cache Control of Cache Flush, DSA 1.x.
    @inlinable public var supportsCacheControlOfFlush: Bool { has(3) }

    /// Bit 4: the CMDCAP register is present.
    @inlinable public var hasCommandCapabilities: Bool { has(4) }

    /// Bit 5: durable writes, DSA 3.0.
    @inlinable public var supportsDurableWrites: Bool { has(5) }

    /// Bit 6: inter-domain operations, DSA 2.0.
    @inlinable public var supportsInterDomainOperations: Bool { has(6) }

    /// Bit 7: stride of Translation Fetch, DSA 2.0.
    @inlinable public var supportsTranslationFetchStride: Bool { has(7) }

    /// Bit 8: Destination Readback.
    @inlinable public var supportsDestinationReadback: Bool { has(8) }

    /// Bit 9: readback addresses of Drain.
    @inlinable public var supportsDrainReadbackAddresses: Bool { has(9) }

    /// Bit 10: 16-byte patterns of Fill, DSA 2.0.
    @inlinable public var supportsWideFillPattern: Bool { has(10) }

    /// Bit 11: CRC64, DSA 2.0.
    @inlinable public var supportsCRC64: Bool { has(11) }

    /// Bit 12: Fault Info in completion records, DSA 2.0.
    @inlinable public var supportsFaultInfo: Bool { has(12) }

    /// Bits 14:13: bytes of an event log entry, 64, 128 or 256; `nil` without an event log. DSA 2.0.
    @inlinable public var eventLogEntryByteCount: Int? {
        let exponent = field(13, width: 2)
        return exponent == 0 ? nil : 32 << exponent
    }

    /// Bit 15: Batch Continuation, DSA 2.0.
    @inlinable public var supportsBatchContinuation: Bool { has(15) }

    /// Bits 20:16: the largest transfer is 2^n bytes.
    @inlinable public var maximumTransferShift: UInt8 { UInt8(truncatingIfNeeded: field(16, width: 5)) }

    /// Bits 24:21: the largest batch is 2^n descriptors.
    @inlinable public var maximumBatchShift: UInt8 { UInt8(truncatingIfNeeded: field(21, width: 4)) }

    /// Bits 30:25, in units of 256: entries of the interrupt message storage.
    @inlinable public var interruptMessageStorageEntryCount: Int { field(25, width: 6) * 256 }

    /// Bit 31, Configuration Support: software may configure WQs, groups and engines.
    @inlinable public var supportsConfiguration: Bool { has(31) }

    /// Bit 32: an event that finds the event log full is dropped; otherwise the device waits. DSA 2.0.
    @inlinable public var dropsEventsOfFullLog: Bool { has(32) }

    /// Bit 52, Batch1: a batch of one descriptor is legal, DSA 3.0.
    @inlinable public var supportsBatchOfOne: Bool { has(52) }

    @inlinable
    func has(_ bit: UInt64) -> Bool { rawValue >> bit & 1 == 1 }

    @inlinable
    func field(_ bit: UInt64, width: UInt64) -> Int {
        Int(truncatingIfNeeded: rawValue >> bit & (1 << width - 1))
    }
}
