public import PCIe

/// The memory write that an interrupt is.
public struct InterruptMessage: Hashable, Sendable, BitwiseCopyable {
    /// Where it is written; bits 1:0 are 0. Platforms decode 0xFEEx_xxxx as interrupts.
    public let address: HostPhysicalAddress
    /// What is written.
    public let data: UInt32

    /// A write of `data` to `address`, whose bits 1:0 are dropped.
    public init(address: HostPhysicalAddress, data: UInt32) {
        self.address = HostPhysicalAddress(rawValue: address.rawValue & ~3)
        self.data = data
    }
}

/// An entry of the MSI-X table with its permission record, or of the interrupt message storage (DSA 3.0 §9.2.21,
/// §9.2.22; PCIe 6.0 §7.7.2).
public struct InterruptEntry: Hashable, Sendable, BitwiseCopyable {
    /// What the entry sends.
    public var message: InterruptMessage
    /// Who may cause it.
    public var permission = InterruptPermission.powerOn
    /// An interrupt of a masked entry waits in ``isPending``.
    public var isMasked = true
    /// An interrupt waits for the mask to go.
    public var isPending = false

    /// An entry that sends `message`, in every other way as after power-on: masked, not pending.
    init(message: InterruptMessage) {
        self.message = message
    }

    /// An MSI-X entry after power-on: address and data 0, masked.
    public static let msixPowerOn = Self(message: InterruptMessage(address: HostPhysicalAddress(rawValue: 0), data: 0))

    /// An IMS entry after power-on: address 0xFEE00000, data 0, masked (dsa-device 7.5).
    public static let imsPowerOn = Self(
        message: InterruptMessage(address: HostPhysicalAddress(rawValue: 0xFEE0_0000), data: 0))
}

extension InterruptEntry {
    /// Dword 0 to 2 of the entry, the same in both tables: address bits 31:0, address bits 63:32, data.
    public func messageDword(_ index: Int) -> UInt32 {
        switch index {
        case 0: UInt32(truncatingIfNeeded: message.address.rawValue)
        case 1: UInt32(truncatingIfNeeded: message.address.rawValue >> 32)
        default: message.data
        }
    }

    /// Replaces dword 0 to 2.
    public mutating func setMessageDword(_ index: Int, to value: UInt32) {
        var address = message.address.rawValue
        var data = message.data
        switch index {
        case 0: address = address & ~0xFFFF_FFFF | UInt64(value)
        case 1: address = address & 0xFFFF_FFFF | UInt64(value) << 32
        default: data = value
        }
        message = InterruptMessage(address: HostPhysicalAddress(rawValue: address), data: data)
    }

    /// Dword 3 of an MSI-X entry, Vector Control: bit 0 is the mask.
    public var vectorControl: UInt32 { isMasked ? 1 : 0 }

    /// Dword 3 of an IMS entry: mask, pending, permission.
    public var storageControl: UInt32 { permission.rawValue | (isPending ? 2 : 0) | (isMasked ? 1 : 0) }
}

/// One entry of one of a device's two interrupt tables.
public struct InterruptVector: Hashable, Sendable, BitwiseCopyable {
    /// The table.
    public let table: Portal.InterruptTable
    /// The entry's index in it. The entry need not exist.
    public let index: UInt16

    /// Entry `index` of `table`.
    @inlinable
    public init(_ table: Portal.InterruptTable, _ index: UInt16) {
        self.table = table
        self.index = index
    }

    /// MSI-X vector 0, which also carries the device's own causes (dsa-device 6.7).
    @inlinable public static var miscellaneous: Self { Self(.msix, 0) }
}
