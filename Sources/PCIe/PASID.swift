/// The host's name of a process address space: what travels on the bus and indexes the IOMMU's PASID table.
///
/// 20 bits (PCIe 6.0 §6.20). In the host's allocator the same number is called an IOASID (virtualization §5).
/// A guest never sees one; a ``GuestPASID`` becomes one only through a PASID translation table.
public struct HostPASID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number, 0 to 0xFFFFF.
    public let rawValue: UInt32

    /// Returns `nil` when `rawValue` needs more than 20 bits.
    @inlinable
    public init?(rawValue: UInt32) {
        guard rawValue <= 0xF_FFFF else { return nil }
        self.rawValue = rawValue
    }

    /// The low 20 bits of `bits`; the bits above belong to other fields of the same word.
    @inlinable
    public init(truncating bits: UInt32) {
        rawValue = bits & 0xF_FFFF
    }

    /// Orders by number.
    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// A guest's name of one of its process address spaces, 20 bits.
///
/// It indexes the VM's PASID translation table (virtualization §4.2) and appears in the guest's IA32_PASID. It never
/// reaches the bus.
public struct GuestPASID: RawRepresentable, Hashable, Comparable, Sendable, BitwiseCopyable {
    /// The number, 0 to 0xFFFFF.
    public let rawValue: UInt32

    /// Returns `nil` when `rawValue` needs more than 20 bits.
    @inlinable
    public init?(rawValue: UInt32) {
        guard rawValue <= 0xF_FFFF else { return nil }
        self.rawValue = rawValue
    }

    /// The low 20 bits of `bits`; the bits above belong to other fields of the same word.
    @inlinable
    public init(truncating bits: UInt32) {
        rawValue = bits & 0xF_FFFF
    }

    /// Orders by number.
    @inlinable
    public static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}
