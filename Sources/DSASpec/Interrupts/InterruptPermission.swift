public import PCIe

/// Whose descriptors may interrupt through an entry, and whether it delivers: bits 31:2 of MSIXPERM and of the control
/// word of an IMS entry (DSA 3.0 §9.2.21, §9.2.22; dsa-device 7.7).
///
/// Before a descriptor with RCI = 1 is executed, its PASID, or that it has none, must be the record's; else it ends
/// with 0x19.
public struct InterruptPermission: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// Bits 2 (Ignore), 3 (PASID Enable) and 31:12 (PASID); the others are 0.
    public let rawValue: UInt32

    /// The record that these bits state; bits that are none of its fields are dropped.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue & 0xFFFF_F00C
    }

    /// The record of a PASID, or of descriptors without one.
    @inlinable
    public init(pasid: HostPASID?, isIgnored: Bool = false) {
        let fields = pasid.map { $0.rawValue << 12 | 1 << 3 } ?? 0
        self.init(rawValue: fields | (isIgnored ? 1 << 2 : 0))
    }

    /// Power-on: delivers, to descriptors without a PASID.
    public static let powerOn = Self(rawValue: 0)

    /// Ignore: the entry's interrupts are dropped.
    @inlinable public var isIgnored: Bool { rawValue & 1 << 2 != 0 }

    /// The PASID; `nil` while PASID Enable is 0.
    @inlinable public var pasid: HostPASID? {
        rawValue & 1 << 3 == 0 ? nil : HostPASID(truncating: rawValue >> 12)
    }

    /// Whether a descriptor executed under `pasid`, or under none, may use the entry.
    @inlinable
    public func admits(_ pasid: HostPASID?) -> Bool { self.pasid == pasid }
}
