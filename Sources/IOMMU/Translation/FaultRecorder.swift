public import PCIe

/// One recorded fault: the fields of a fault recording register (virtualization §6.3).
public struct FaultRecord: Equatable, Sendable, BitwiseCopyable {
    /// SID: whose request it was.
    public let requester: RequesterID
    /// `nil` for a request without PASID.
    public let pasid: HostPASID?
    /// FI: the address of the request, before any translation.
    public let address: LinearAddress
    /// FR: why the request was blocked.
    public let reason: FaultReason
    /// T: whether the request was a write.
    public let isWrite: Bool
    /// PRIV: the privilege that the request claimed.
    public let isPrivileged: Bool

    /// The record of `request`, blocked for `reason`.
    public init(_ request: TranslationRequest, reason: FaultReason) {
        requester = request.requester
        pasid = request.pasid
        address = request.address
        self.reason = reason
        isWrite = request.isWrite
        isPrivileged = request.isPrivileged
    }
}

/// The last faults of an IOMMU, and how many there were.
///
/// Bounded: the newest record replaces the oldest, so that a hostile guest cannot hide its last fault behind earlier
/// ones and costs no memory.
public struct FaultRecorder: Sendable {
    /// How many records are kept.
    public static let capacity = 64

    private var kept = RecentElements<FaultRecord>(capacity: Self.capacity)

    /// Faults recorded since the start, those no longer kept included.
    public var totalCount: UInt64 { kept.totalCount }

    mutating func record(_ record: FaultRecord) {
        kept.append(record)
    }

    /// The kept records, oldest first.
    public var records: [FaultRecord] { kept.elements }

    /// The kept ones of the newest `count` records, oldest first.
    public func last(_ count: UInt64) -> [FaultRecord] { kept.last(count) }

    /// The newest record.
    public var last: FaultRecord? { kept.last(1).first }
}
