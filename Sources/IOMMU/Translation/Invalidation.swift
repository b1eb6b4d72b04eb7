public import PCIe

/// What software asks the IOMMU to forget: the granularities of the invalidation queue (virtualization §6.6).
public enum Invalidation: Equatable, Sendable {
    /// Type 1: what is cached of one requester's context entry.
    case contextCache(RequesterID)
    /// Type 7, PASID-selective: what is cached of one PASID entry.
    case pasidCache(DomainID, HostPASID)
    /// Type 7, global: what is cached of every PASID entry.
    case globalPASIDCache
    /// Type 6, PASID-selective: every first-stage, nested and pass-through translation of one PASID.
    case pasidTLB(DomainID, HostPASID)
    /// Type 6, page-selective: first-stage and nested translations that `byteCount` bytes of one PASID touch. A large
    /// page is forgotten as a whole.
    case pasidTLBPages(DomainID, HostPASID, LinearAddress, byteCount: UInt64)
    /// Type 2, domain-selective: every second-stage and nested translation of a domain, whatever the PASID.
    case domainTLB(DomainID)
    /// Type 2, page-selective: second-stage translations that `byteCount` bytes of a domain touch, and all nested ones
    /// of the domain, which do not tell what guest physical pages they went through.
    case domainTLBPages(DomainID, GuestPhysicalAddress, byteCount: UInt64)
    /// Type 2, global: every translation.
    case globalTLB
}

/// What follows the clearing of a PASID entry, in this order (virtualization §6.6, steps 2 to 5).
public struct InvalidationSteps: OptionSet, Sendable {
    /// Bit n: step n + 2.
    public let rawValue: UInt8

    /// The steps whose bits are 1.
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The unit forgets what the entry said.
    public static let pasidCache = Self(rawValue: 1 << 0)
    /// The unit forgets the entry's translations.
    public static let translations = Self(rawValue: 1 << 1)
    /// The device forgets its translations.
    public static let deviceTLB = Self(rawValue: 1 << 2)
    /// Page requests that have no answer get one.
    public static let pageRequests = Self(rawValue: 1 << 3)

    /// All of them: what is correct.
    public static let all: Self = [.pasidCache, .translations, .deviceTLB, .pageRequests]
}

extension Invalidation {
    /// What the unit forgets after the clearing of `entry`, in order: steps 2 and 3. The device comes after it.
    public static func afterClearing(_ entry: PASIDTableEntry, of pasid: HostPASID) -> InlineArray<2, Invalidation> {
        let isTaggedByPASID: Bool =
            switch entry.translationType {
            case .firstStage, .passThrough: true
            default: false
            }
        return [
            .pasidCache(entry.domain, pasid),
            isTaggedByPASID ? .pasidTLB(entry.domain, pasid) : .domainTLB(entry.domain),
        ]
    }
}
