public import PCIe

/// The first 8 of the 64 bytes that ENQCMD, ENQCMDS or MOVDIR64B carries, as a little-endian word
/// (virtualization §2.2). Bytes 8 to 63 pass through the processor unchanged (C-10).
///
/// | Bits | Field |
/// |---|---|
/// | 19:0 | PASID |
/// | 30:20 | reserved, 0 on the wire |
/// | 31 | PRIV: 0 user, 1 supervisor |
/// | 63:32 | device-specific command |
public struct EnqueueCommandWord: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits of the word.
    public let rawValue: UInt64

    /// The word of these 64 bits, legal as a source or not.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Bits 31:0, which an ENQCMD source must have clear.
    @inlinable public var firstDword: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

    /// Bits 30:20, which an ENQCMDS source must have clear.
    @inlinable public var reservedBits: UInt32 { firstDword >> 20 & 0x7FF }

    /// Bits 19:0 in a command on the wire.
    @inlinable public var hostPASID: HostPASID { HostPASID(truncating: firstDword) }

    /// Bits 19:0 in an ENQCMDS source of a guest whose VMCS translates PASIDs.
    @inlinable public var guestPASID: GuestPASID { GuestPASID(truncating: firstDword) }

    /// PRIV, bit 31.
    @inlinable public var isPrivileged: Bool { firstDword >> 31 != 0 }

    /// What ENQCMD sends for this source: `pasid` in bits 31:0, so PRIV = 0 whatever the CPL (C-09).
    @inlinable
    public func enqcmdCommand(pasid: HostPASID) -> Self {
        Self(rawValue: rawValue & 0xFFFF_FFFF_0000_0000 | UInt64(pasid.rawValue))
    }

    /// What ENQCMDS sends for this source: `pasid` in bits 19:0, PRIV as in the source (C-09).
    @inlinable
    public func enqcmdsCommand(pasid: HostPASID) -> Self {
        Self(rawValue: rawValue & 0xFFFF_FFFF_8000_0000 | UInt64(pasid.rawValue))
    }
}
