internal import DSA
internal import IOMMU
internal import PCIe
internal import Virtualization

// The host's IOMMU driver: what it asks the unit and the devices to forget, through the invalidation queue, and the
// other end of that queue, the fabric that carries its messages to the devices (virtualization §6.6).
extension Machine {
    /// Above this many PASIDs a device forgets everything instead of each of them.
    private static let pasidCountMax = 32

    /// Puts requests into the invalidation queue, a wait behind them, and returns when the wait is complete: no device
    /// and no unit translates by what they name any more.
    mutating func completeInvalidations(_ requests: some Sequence<InvalidationRequest>) {
        for request in requests where isDone(request) && !iommu.submit(request) {
            runInvalidationQueue()
            let isSubmitted = iommu.submit(request)
            precondition(isSubmitted, "a queue that was worked off takes a request")
        }
        waitForInvalidations()
    }

    private func isDone(_ request: InvalidationRequest) -> Bool {
        switch request {
        case .cache: invalidationSteps.contains(.translations)
        case .deviceTLB: invalidationSteps.contains(.deviceTLB)
        case .interruptEntries, .wait, .pageGroupResponse: true
        }
    }

    private mutating func waitForInvalidations() {
        var wait = iommu.submitWait()
        runInvalidationQueue()
        if wait == nil {
            wait = iommu.submitWait()
            runInvalidationQueue()
        }
        guard let wait, iommu.isComplete(wait) else {
            preconditionFailure("devices acknowledge at once")
        }
    }

    /// Lets the unit work through its queue, and the devices do what it sends them.
    private mutating func runInvalidationQueue() {
        while true {
            switch iommu.advanceQueue() {
            case .idle:
                return
            case .deviceTLB(let invalidation, let tag):
                if let index = deviceIndex(of: invalidation.requester) {
                    devices[index].invalidateTranslations(invalidation.scope)
                }
                iommu.acknowledge(tag)
            case .pageGroupResponse(let response):
                guard let index = deviceIndex(of: response.requester) else { continue }
                _ = devices[index].respond(to: response.group, with: response.code)
            case .blocked, .error:
                preconditionFailure(
                    "devices acknowledge at once, and the driver writes descriptors that exist")
            }
        }
    }

    /// Sends a device the answer to its page request.
    mutating func answer(_ request: PageRequest, with code: PageResponseCode) {
        completeInvalidations(CollectionOfOne(.pageGroupResponse(PageGroupResponse(to: request, code))))
    }

    // MARK: PASID entries

    /// Takes the PASID entry of a device away and everything that unit and device hold of it, in the order of §6.6:
    /// entry, PASID cache, translations, device TLB, page requests, each complete before the next.
    mutating func clearEntry(device: Int, pasid: HostPASID) {
        let requester = devices[device].requester
        iommu.clearEntry(requester: requester, pasid: pasid, steps: invalidationSteps)
        completeInvalidations(
            CollectionOfOne(.deviceTLB(DeviceTLBInvalidation(requester, .pasid(pasid)))))
        if invalidationSteps.contains(.pageRequests) {
            refusePageRequests { $0.device == device && $0.request.pasid == pasid }
        }
    }

    // MARK: Pages

    /// Has unit and devices forget what translates a range of an address space: linear addresses of a process, guest
    /// physical ones of a VM.
    mutating func invalidateTranslations(
        _ start: UInt64, byteCount: UInt64, in space: AddressSpaceIndex
    ) {
        switch space {
        case .process(let index):
            guard let ioasid = processes[index].translatedPASID else { return }
            invalidatePages(
                .pasidTLBPages(
                    Self.hostDomain, ioasid, LinearAddress(rawValue: start), byteCount: byteCount),
                of: ioasid, at: LinearAddress(rawValue: start), byteCount: byteCount,
                devices: processes[index].boundDevices)
        case .virtualMachine(let index):
            // A device's translations do not say which guest physical pages they went through.
            let address = GuestPhysicalAddress(rawValue: start)
            completeInvalidations(
                [.cache(.domainTLBPages(domain(ofVM: index), address, byteCount: byteCount))]
                    + deviceInvalidations(ofVM: index))
        }
    }

    /// Has unit and devices forget what translates linear addresses of one PASID.
    mutating func invalidatePages(
        _ invalidation: Invalidation, of pasid: HostPASID, at address: LinearAddress, byteCount: UInt64,
        devices mask: UInt64
    ) {
        completeInvalidations(
            [.cache(invalidation)]
                + deviceInvalidations(.init(pasid, covering: address, byteCount: byteCount), devices: mask))
    }

    /// Has unit and devices forget all translations of one PASID that went through a first stage.
    mutating func invalidateTranslations(
        of pasid: HostPASID, in domain: DomainID, devices mask: UInt64
    ) {
        completeInvalidations(
            [.cache(.pasidTLB(domain, pasid))] + deviceInvalidations(.pasid(pasid), devices: mask))
    }

    /// Has unit and devices forget all translations of a VM.
    mutating func invalidateTranslations(ofVM index: Int) {
        completeInvalidations(
            [.cache(.domainTLB(domain(ofVM: index)))] + deviceInvalidations(ofVM: index))
    }

    private func deviceInvalidations(
        _ scope: DeviceTLBInvalidation.Scope, devices mask: UInt64
    ) -> [InvalidationRequest] {
        devices.indices.filter { devices.contains($0) && mask >> UInt64($0) & 1 == 1 }
            .map { .deviceTLB(DeviceTLBInvalidation(devices[$0].requester, scope)) }
    }

    private func deviceInvalidations(ofVM index: Int) -> [InvalidationRequest] {
        var members: [(pasid: HostPASID, devices: UInt64)] = []
        var mask: UInt64 = 0
        ioasids.forEachMember(of: vms[index].set) { ioasid in
            guard let binding = bindingIndex(of: ioasid) else { return }
            mask |= bindings[binding].devices
            if members.count <= Self.pasidCountMax { members.append((ioasid, bindings[binding].devices)) }
        }
        guard members.count <= Self.pasidCountMax else {
            return deviceInvalidations(.global, devices: mask)
        }
        return members.flatMap { deviceInvalidations(.pasid($0.pasid), devices: $0.devices) }
    }

    func deviceIndex(of requester: RequesterID) -> Int? {
        for index in devices.indices
        where devices.contains(index) && devices[index].requester == requester {
            return index
        }
        return nil
    }
}
