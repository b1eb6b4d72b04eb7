public import PCIe

/// One memory request of a device, as it reaches the IOMMU (virtualization §6.2).
public struct TranslationRequest: Sendable, BitwiseCopyable {
    /// Who asks; the index of the root and the context table.
    public var requester: RequesterID
    /// `nil` is a request without PASID; the context entry's RID_PASID stands in for it.
    public var pasid: HostPASID?
    /// What is to be translated: linear, guest physical or host physical, as the PASID entry has it.
    public var address: LinearAddress
    /// Whether the access is a write, or one that both reads and writes.
    public var isWrite: Bool
    /// Privilege of the PASID prefix (PR). Without PASID the context entry's RID_PRIV counts instead.
    public var isPrivileged: Bool

    /// A request for one access at `address`.
    @inlinable
    public init(
        requester: RequesterID, pasid: HostPASID?, address: LinearAddress, isWrite: Bool, isPrivileged: Bool
    ) {
        self.requester = requester
        self.pasid = pasid
        self.address = address
        self.isWrite = isWrite
        self.isPrivileged = isPrivileged
    }
}

/// The answer to one address: where it lies, or why the access is blocked.
public enum Translation: Equatable, Sendable, BitwiseCopyable {
    /// `remaining` is the count of bytes from the address to the end of the translated page (4 KiB, 2 MiB or 1 GiB; of
    /// a nested translation, the smaller of the two stages' pages), or, where more was asked for, of the last of
    /// several pages in a row. The address may be a device's: who uses it finds out that it is not memory.
    case translated(HostPhysicalAddress, remaining: UInt64)
    case fault(TranslationFault)

    /// The fault with `reason`.
    @inlinable @inline(__always)
    public static func fault(_ reason: FaultReason) -> Self { .fault(TranslationFault(reason: reason)) }
}

/// Why an access was blocked.
public struct TranslationFault: Equatable, Sendable, BitwiseCopyable {
    /// The code that a fault record takes.
    public let reason: FaultReason

    /// The GPA that the second stage did not let pass, or `nil` when the fault is of no second stage: of the first
    /// stage, the request or the IOMMU's tables. A processor takes an EPT violation with this address.
    public let secondStageAddress: GuestPhysicalAddress?

    /// A fault for `reason`, of the second stage on `secondStageAddress` unless that is `nil`.
    @inlinable
    public init(reason: FaultReason, secondStageAddress: GuestPhysicalAddress? = nil) {
        self.reason = reason
        self.secondStageAddress = secondStageAddress
    }

    /// Whether software could make the access succeed by mapping the page or widening its permission: what a device
    /// reports as a page fault. Everything else is an error of the tables or of the request.
    @inlinable public var isPageFault: Bool { reason.isPageFault }
}
