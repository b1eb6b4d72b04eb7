import PCIe

/// What one (requester, PASID) means, as the context entry, the PASID directory and the PASID table say it: an entry of
/// the ``PASIDCache``, and what every translation begins with.
struct CachedAddressSpace: BitwiseCopyable {
    /// Requester, PASID and whether the request has one: what the entry is found by.
    let key: UInt64
    let domain: DomainID
    /// The request's, or RID_PASID.
    let pasid: HostPASID
    /// What the IOTLB tags its translations with.
    let tag: TranslationTag
    let translation: AddressSpaceTranslation
    /// SRE, which counts for requests with PASID.
    let takesSupervisorRequests: Bool
    /// DTE of the context entry.
    let takesTranslationRequests: Bool
    /// RID_PRIV, which counts for requests without PASID.
    let isRequesterPrivileged: Bool
    /// WPE.
    let writeProtect: Bool
    /// SLADE.
    let setsSecondStageFlags: Bool
    /// FPD of any structure on the way.
    let isRecordSuppressed: Bool

    /// The privilege that counts for `request`, or `nil` when it claims one that is not taken.
    @inline(__always)
    func privilege(of request: TranslationRequest) -> Bool? {
        guard request.pasid != nil else { return isRequesterPrivileged }
        return request.isPrivileged && !takesSupervisorRequests ? nil : request.isPrivileged
    }

    /// What ``key`` is for a request.
    @inline(__always)
    static func key(_ requester: RequesterID, _ pasid: HostPASID?) -> UInt64 {
        // Never 0, which is an empty entry.
        let number = pasid.map { UInt64($0.rawValue) | 1 << 21 } ?? 0
        return number | 1 << 20 | UInt64(requester.rawValue) << 32
    }

    /// Whether the entry is of a request without PASID.
    @inline(__always)
    static func isWithoutPASID(_ key: UInt64) -> Bool { key & 1 << 21 == 0 }
}

/// What the translations of an address space are cached under (virtualization §6.6): the domain and, below a first
/// stage, the PASID. Requesters share them, as they share the IOTLB: software gives a (domain, PASID) the same tables
/// under each.
struct TranslationTag: Equatable, BitwiseCopyable {
    /// Which tables a translation went through.
    enum Stage: UInt64 {
        case first = 1
        case second = 2
        case nested = 3
    }

    /// Stage in bits 1:0, PASID in bits 31:12, domain in bits 47:32. The PASID is 0 where the second stage alone
    /// translates.
    let rawValue: UInt64

    @inline(__always)
    init(_ stage: Stage?, _ domain: DomainID, _ pasid: HostPASID) {
        let number = stage == .second ? 0 : UInt64(pasid.rawValue)
        rawValue = (stage?.rawValue ?? 0) | number << 12 | UInt64(domain.rawValue) << 32
    }

    @inline(__always)
    init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// `nil` where addresses are host physical, and there is nothing to cache.
    @inline(__always) var stage: Stage? { Stage(rawValue: rawValue & 3) }

    @inline(__always) var domain: DomainID { DomainID(rawValue: UInt16(truncatingIfNeeded: rawValue >> 32)) }

    @inline(__always) var pasid: HostPASID { HostPASID(truncating: UInt32(truncatingIfNeeded: rawValue >> 12)) }
}
