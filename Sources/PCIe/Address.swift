/// A host physical address (HPA): what the memory controller and the fabric decode. 52 bits.
public struct HostPhysicalAddress: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The address in bytes. Bits 63:52 may be set; nothing decodes such an address.
    public let rawValue: UInt64

    /// The address `rawValue`, whether or not anything decodes it.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Orders by address.
    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Wraps at 2^64: an address computed from hostile input must be refused by its use, not trap here.
    @inlinable
    public func advanced(by bytes: UInt64) -> Self { Self(rawValue: rawValue &+ bytes) }
}

/// A guest physical address (GPA): a VM's view of memory, translated by its second-stage table.
public struct GuestPhysicalAddress: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The address in bytes, as the VM's second stage takes it.
    public let rawValue: UInt64

    /// The address `rawValue`, whether or not the VM has memory there.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Orders by address.
    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Wraps at 2^64, as ``HostPhysicalAddress/advanced(by:)`` does.
    @inlinable
    public func advanced(by bytes: UInt64) -> Self { Self(rawValue: rawValue &+ bytes) }
}

/// A linear (virtual) address of a process or guest process. Under SVA descriptors carry these; the IOMMU translates
/// them by RID and PASID, the processor by its own page tables.
public struct LinearAddress: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The address in bytes. Nothing here says whether it is canonical.
    public let rawValue: UInt64

    /// The address `rawValue`, whether or not anything is mapped there.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// Orders by address, unsigned.
    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }

    /// Wraps at 2^64, as ``HostPhysicalAddress/advanced(by:)`` does.
    @inlinable
    public func advanced(by bytes: UInt64) -> Self { Self(rawValue: rawValue &+ bytes) }
}

/// The page size of every table here, 4 KiB.
@inlinable public var pageByteCount: UInt64 { 4096 }
