/// The number that a Page Request and its Page Response share (PRG Index), 9 bits (PCIe 6.0 §10.4.1).
public struct PageRequestGroup: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The index, 0 to 0x1FF.
    public let rawValue: UInt16

    /// Returns `nil` when `rawValue` needs more than 9 bits.
    @inlinable
    public init?(rawValue: UInt16) {
        guard rawValue <= 0x1FF else { return nil }
        self.rawValue = rawValue
    }

    /// The low 9 bits of `bits`.
    @inlinable
    public init(truncating bits: Int) {
        rawValue = UInt16(truncatingIfNeeded: bits & 0x1FF)
    }
}

/// A Page Request message: a function asks whoever owns an address space to make a page accessible (virtualization
/// §6.5, PCIe 6.0 §10.4.1).
public struct PageRequest: Hashable, Sendable, BitwiseCopyable {
    /// The function that asks.
    public let requester: RequesterID
    /// The address space; `nil` for a request without PASID.
    public let pasid: HostPASID?
    /// The first byte of the page: a multiple of 4096.
    public let address: LinearAddress
    /// W: the page is to be written. Otherwise R: it is to be read.
    public let isWrite: Bool
    /// Privileged Mode Requested.
    public let isPrivileged: Bool
    /// What the answer carries.
    public let group: PageRequestGroup
    /// LPIG: no more requests of the group follow, so that it can be answered.
    public var isLastInGroup = true

    /// A request for the page that holds `address`.
    public init(
        requester: RequesterID, pasid: HostPASID?, address: LinearAddress, isWrite: Bool, isPrivileged: Bool,
        group: PageRequestGroup
    ) {
        self.requester = requester
        self.pasid = pasid
        self.address = LinearAddress(rawValue: address.rawValue & ~(pageByteCount - 1))
        self.isWrite = isWrite
        self.isPrivileged = isPrivileged
        self.group = group
    }
}

/// The Response Code of a Page Response message (PCIe 6.0 §10.4.2).
public enum PageResponseCode: UInt8, Sendable, BitwiseCopyable {
    /// 0000b: the page is accessible now; the function translates again.
    case success = 0b0000
    /// 0001b: the page does not exist or does not admit the access.
    case invalidRequest = 0b0001
    /// 1111b: nothing can be answered any more. It stops the page requests of the whole function.
    case responseFailure = 0b1111
}
