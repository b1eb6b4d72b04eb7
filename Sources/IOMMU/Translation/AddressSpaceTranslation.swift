public import PCIe

/// How the addresses of one (requester, PASID) are translated: the meaning of a PASID entry's PGTT and pointers
/// (virtualization §6.1).
public enum AddressSpaceTranslation: Equatable, Sendable, BitwiseCopyable {
    /// The page table of a host process. `root` is page-aligned.
    case firstStage(root: HostPhysicalAddress, levels: PagingLevels)
    /// The page table of a guest process, whose every pointer is a GPA, below the VM's second stage.
    case nested(firstStage: GuestPhysicalAddress, levels: PagingLevels, secondStage: HostPhysicalAddress)
    /// The second stage alone: addresses are GPAs.
    case secondStage(root: HostPhysicalAddress)
    /// Addresses are host physical.
    case passThrough
    /// Addresses are those of a process that this machine has no tables of: whoever drives the machine reaches its
    /// memory by copying (``IOMMU/isForeign(requester:pasid:)``). No access is translated.
    case foreign
}

/// How many levels a first-stage page table has.
public enum PagingLevels: UInt8, Hashable, Sendable, BitwiseCopyable {
    /// 48-bit linear addresses.
    case four = 4
    /// 57-bit linear addresses.
    case five = 5

    /// The bit of a linear address where the root table's index begins.
    @inline(__always)
    var rootShift: UInt64 { self == .four ? 39 : 48 }

    /// Whether all bits above the translated ones repeat the highest of these.
    @inline(__always)
    public func isCanonical(_ address: LinearAddress) -> Bool {
        let unused: Int64 = self == .four ? 16 : 7
        let signed = Int64(bitPattern: address.rawValue)
        return (signed &<< unused) &>> unused == signed
    }
}

/// A domain ID: what second-stage translations are cached under. 16 bits (virtualization §6.1).
public struct DomainID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number, 0 to 0xFFFF.
    public let rawValue: UInt16

    /// The domain of this number.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }
}
