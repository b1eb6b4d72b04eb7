internal import DSASpec
internal import IOMMU
public import PCIe

/// What an injected failure asks of the driver, which acts before the descriptor goes on.
public enum InjectedRequest: Hashable, Sendable {
    /// Disable this WQ.
    case disableWorkQueue(Int)
    /// Unbind whoever has this PASID.
    case revokePASID(HostPASID)
}

extension Device {
    /// Whether a DMWr that would be accepted is answered Retry.
    mutating func injectsRetry(_ descriptor: Descriptor, to portal: Portal) -> Bool {
        injector.answersRetry(
            InjectionCandidate(
                opcode: descriptor.opcode, workQueue: portal.workQueue, pasid: descriptor.pasid, member: nil))
    }

    /// What a rule does to the descriptor that engine `index` begins, which has passed its checks; once for each.
    ///
    /// - Returns: Whether the descriptor is carried out now.
    mutating func meetsInjector(
        engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory
    ) -> Bool {
        guard !engines[index].hasMetInjector else { return true }
        engines[index].hasMetInjector = true
        engines[index].injectedFault = nil
        let opcode = engines[index].current.opcode
        let candidate = InjectionCandidate(
            opcode: opcode, workQueue: engines[index].item.portal.workQueue, pasid: engines[index].pasid,
            member: engines[index].isBatch ? engines[index].batch.completed : nil)
        switch injector.action(for: candidate) {
        case nil, .retry:
            return true
        case .pageFault(let page):
            engines[index].injectedFault = .page(page)
            return true
        case .partial(let byteCount):
            engines[index].injectedFault = .byte(byteCount)
            return true
        case .status(let status):
            end(engine: index, with: CompletionRecord(status: status), iommu: &iommu, memory: memory)
            return false
        case .halt:
            halt(until: .resetDevice)
            return false
        case .disableWorkQueue:
            ask(.disableWorkQueue(candidate.workQueue))
            return false
        case .revokePASID:
            guard let pasid = candidate.pasid else { return true }
            ask(.revokePASID(pasid))
            return false
        }
    }

    private mutating func ask(_ request: InjectedRequest) {
        effects.append(.injected(request))
        injector.interruptsStep = true
    }
}
