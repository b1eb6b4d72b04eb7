import IOMMU
import PCIe

/// An ``IOMMU`` behind a reference, so that expectations can call it: they capture what they look at, and it cannot
/// be copied.
final class TestIOMMU {
    private var unit: IOMMU

    init(memory: PhysicalMemory) throws {
        guard let unit = IOMMU(memory: memory) else { throw MappingError.outOfFrames }
        self.unit = unit
    }

    var rootTable: HostPhysicalAddress { unit.rootTable }

    var faults: FaultRecorder { unit.faults }

    var invalidationCount: UInt64 { unit.invalidationCount }

    func enableRequester(_ requester: RequesterID) -> Bool { unit.enableRequester(requester) }

    func disableRequester(_ requester: RequesterID) { unit.disableRequester(requester) }

    func contextEntry(of requester: RequesterID) -> ScalableContextEntry? { unit.contextEntry(of: requester) }

    func setEntry(
        requester: RequesterID, pasid: HostPASID, translation: AddressSpaceTranslation, domain: DomainID,
        options: PASIDEntryOptions = .writeProtect
    ) -> Bool {
        unit.setEntry(
            requester: requester, pasid: pasid, translation: translation, domain: domain, options: options)
    }

    func clearEntry(requester: RequesterID, pasid: HostPASID, suppressFaultRecords: Bool = false) {
        unit.clearEntry(requester: requester, pasid: pasid, suppressFaultRecords: suppressFaultRecords)
    }

    func entry(requester: RequesterID, pasid: HostPASID) -> PASIDTableEntry? {
        unit.entry(requester: requester, pasid: pasid)
    }

    func translate(_ request: TranslationRequest, byteCount: UInt64 = 1) -> Translation {
        unit.translate(request, byteCount: byteCount)
    }

    func invalidate(_ invalidation: Invalidation) { unit.invalidate(invalidation) }

    var invalidationQueue: InvalidationQueue { unit.invalidationQueue }

    var pageRequestQueue: PageRequestQueue { unit.pageRequestQueue }

    func submit(_ request: InvalidationRequest) -> Bool { unit.submit(request) }

    func advanceQueue() -> InvalidationStep { unit.advanceQueue() }

    func acknowledge(_ tag: InvalidationTag) { unit.acknowledge(tag) }

    func submitWait() -> UInt32? { unit.submitWait() }

    func isComplete(_ wait: UInt32) -> Bool { unit.isComplete(wait) }

    func receive(_ request: PageRequest) -> PageRequestReceipt { unit.receive(request) }

    func takePageRequest() -> PageRequest? { unit.takePageRequest() }

    func clearPageRequestOverflow() { unit.clearPageRequestOverflow() }

    /// Translates as a device with this cache does.
    func translate(_ request: TranslationRequest, through tlb: TestDeviceTLB) -> Translation {
        tlb.cache.reference.translate(request, &unit)
    }
}

/// A ``DeviceTLB`` behind a reference, as ``TestIOMMU``.
final class TestDeviceTLB {
    fileprivate var cache = DeviceTLB()

    func invalidate(_ scope: DeviceTLBInvalidation.Scope) { cache.invalidate(scope) }
}

extension TestMemory {
    func makeFirstStageTable() throws -> FirstStageTable {
        guard let table = FirstStageTable(memory: physical) else { throw MappingError.outOfFrames }
        return table
    }

    func makeSecondStageTable() throws -> SecondStageTable {
        guard let table = SecondStageTable(memory: physical) else { throw MappingError.outOfFrames }
        return table
    }
}
