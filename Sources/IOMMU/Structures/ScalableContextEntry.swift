public import PCIe

/// A scalable-mode context entry, 32 bytes: one requester's PASID directory (virtualization §6.1).
public struct ScalableContextEntry: Sendable, BitwiseCopyable {
    /// Bytes of an entry.
    public static let byteCount: UInt64 = 32

    /// The size of a directory for all 20 bits of a PASID: PDTS = 7.
    static let directoryByteCount: UInt64 = 8 << (7 + 7)

    /// Bits 63:0 first. Any value can be held.
    public var words: InlineArray<4, UInt64>

    /// The entry of these four words, valid or not.
    public init(words: InlineArray<4, UInt64>) {
        self.words = words
    }

    /// A present entry with DTE, PASIDE, PRE, PDTS = 7 (all 20 bits of a PASID) and RID_PASID 0. `directory` is
    /// page-aligned.
    public init(directory: HostPhysicalAddress) {
        let directorySize: UInt64 = 7
        let enables: UInt64 = 1 << 2 | 1 << 3 | 1 << 4
        words = [
            directory.rawValue & EntryBits.pointer | directorySize << 9 | enables | EntryBits.present, 0,
            0, 0,
        ]
    }

    /// Reads the entry at `address`; `nil` when that is not memory.
    @inline(__always)
    init?(in memory: PhysicalMemory, at address: HostPhysicalAddress) {
        guard let pointer = unsafe memory.pointer(to: address, byteCount: Self.byteCount) else { return nil }
        words = InlineArray { index in
            unsafe UInt64(littleEndian: pointer.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
        }
    }

    /// P, bit 0.
    public var isPresent: Bool { words[0] & EntryBits.present != 0 }

    /// FPD, bit 1.
    public var isFaultProcessingDisabled: Bool { words[0] & EntryBits.faultProcessingDisable != 0 }

    /// DTE, bit 2: whether translation requests (ATS) are answered.
    public var takesTranslationRequests: Bool { words[0] & 1 << 2 != 0 }

    /// PRE, bit 4: whether page requests are taken.
    public var takesPageRequests: Bool { words[0] & 1 << 4 != 0 }

    /// PASIDE, bit 3: whether requests with PASID are taken.
    public var isPASIDEnabled: Bool { words[0] & 1 << 3 != 0 }

    /// PDTS, bits 11:9, as the number of PASIDs it covers: 64 tables' worth for each of 2^(PDTS + 7) directory entries.
    @inline(__always)
    public var pasidCount: UInt32 { 64 << (UInt32(truncatingIfNeeded: words[0] >> 9 & 7) + 7) }

    /// PASIDDIRPTR, bits 63:12.
    public var directory: HostPhysicalAddress { HostPhysicalAddress(rawValue: words[0] & EntryBits.pointer) }

    /// RID_PASID, bits 83:64: the PASID of requests without one.
    public var requesterPASID: HostPASID { HostPASID(truncating: UInt32(truncatingIfNeeded: words[1])) }

    /// RID_PRIV, bit 84: the privilege of requests without PASID.
    public var isRequesterPrivileged: Bool { words[1] & 1 << 20 != 0 }

    /// Bits 8:5, 255:85, and those above the host address width.
    @inline(__always)
    public var hasReservedBits: Bool {
        words[0] & (EntryBits.aboveHostWidth | 0x1E0) | words[1] & ~0x1F_FFFF | words[2] | words[3] != 0
    }

    /// Where the entry of `requester` lies in `contextTable`: index devfn[6:0].
    static func location(in contextTable: HostPhysicalAddress, of requester: RequesterID) -> HostPhysicalAddress {
        contextTable.advanced(by: UInt64(requester.deviceFunction & 0x7F) * byteCount)
    }
}
