package import PCIe

/// One recorded fault: the fields of a fault recording register (virtualization §6.3).
package struct FaultRecord: Equatable, Sendable, BitwiseCopyable {
    package let requester: RequesterID
    /// `nil` for a request without PASID.
    package let pasid: HostPASID?
    package let address: LinearAddress
    package let reason: FaultReason
    package let isWrite: Bool
    package let isPrivileged: Bool

    package init(_ request: TranslationRequest, reason: FaultReason) {
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
package struct FaultRecorder: Sendable {
    /// How many records are kept.
    package static let capacity = 64

    private var ring: [FaultRecord] = []

    /// Faults recorded since the start, those no longer kept included.
    package private(set) var totalCount: UInt64 = 0

    init() {
        ring.reserveCapacity(Self.capacity)
    }

    mutating func record(_ record: FaultRecord) {
        if ring.count < Self.capacity {
            ring.append(record)
        } else {
            ring[Int(totalCount % UInt64(Self.capacity))] = record
        }
        totalCount += 1
    }

    /// The kept records, oldest first.
    package var records: [FaultRecord] {
        guard ring.count == Self.capacity else { return ring }
        let oldest = Int(totalCount % UInt64(Self.capacity))
        return Array(ring[oldest...] + ring[..<oldest])
    }

    /// The newest record.
    package var last: FaultRecord? {
        guard totalCount > 0 else { return nil }
        return ring[Int((totalCount - 1) % UInt64(Self.capacity))]
    }
}
