internal import DSASpec
internal import IOMMU
internal import PCIe

extension Device {
    /// Reads the valid readback addresses of the Drain in engine `index`, zero bytes of each, and ends it (DSA 3.0
    /// §3.12, §8.3.3). Nothing earlier is in the device by now.
    ///
    /// The implicit readbacks, and the flags that suppress them, have no effect here: every write of an earlier
    /// descriptor is visible once that has ended.
    mutating func finishDrain(engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        if engines[index].isForeign, handOutReadback(lane: index) { return }
        let drain = engines[index].current
        let addresses = [
            (DescriptorFlags.readbackAddress1Valid, drain.readbackAddress1),
            (DescriptorFlags.readbackAddress2Valid, drain.readbackAddress2),
        ]
        for (flag, address) in addresses where !engines[index].isForeign && drain.flags.contains(flag) {
            let translation = translate(
                TranslationRequest(
                    requester: requester, pasid: engines[index].pasid, address: address, isWrite: false,
                    isPrivileged: engines[index].isPrivileged), engine: index, &iommu)
            switch translation {
            case .translated(let target, _):
                guard memory.answersReads(at: target) else {
                    end(
                        engine: index, with: CompletionRecord(status: .hardwareError), iommu: &iommu, memory: memory)
                    return
                }
            case .fault where !usesATS(engine: index):
                end(engine: index, with: CompletionRecord(status: .hardwareError), iommu: &iommu, memory: memory)
                return
            case .fault(let fault) where fault.isPageFault:
                if awaitPage(.readback, engine: index, at: address, isWrite: false) { return }
                end(
                    engine: index, with: readbackFaultRecord(engine: index, at: address), iommu: &iommu,
                    memory: memory)
                return
            case .fault:
                end(
                    engine: index, with: CompletionRecord(status: .translationError), iommu: &iommu, memory: memory)
                return
            }
        }
        end(engine: index, with: CompletionRecord(status: .success), iommu: &iommu, memory: memory)
    }
}

// MARK: Destination Readback

extension Device {
    /// Ends the data operation of engine `index`, after Destination Readback where its flags and its success ask for
    /// that: zero bytes are read, whose failure is a hardware error (dsa-device §1.2, §2.3).
    mutating func endTransfer(engine index: Int, iommu: inout IOMMU, memory: PhysicalMemory) {
        engines[index].isTransferring = false
        if engines[index].current.flags.contains(.destinationReadback), engines[index].transfer.hasSucceeded {
            let isAnswered = engines[index].transfer.readbackAddresses.allSatisfy { address in
                let translation = translate(
                    TranslationRequest(
                        requester: requester, pasid: engines[index].pasid, address: address, isWrite: false,
                        isPrivileged: engines[index].isPrivileged), engine: index, &iommu)
                guard case .translated(let target, _) = translation else { return false }
                return memory.answersReads(at: target)
            }
            if !isAnswered { engines[index].transfer.failReadback() }
        }
        end(engine: index, with: transferRecord(engine: index), iommu: &iommu, memory: memory)
    }
}

extension PhysicalMemory {
    /// Whether a zero-length read at `address` is answered, which is so for memory alone.
    fileprivate func answersReads(at address: HostPhysicalAddress) -> Bool {
        unsafe pointer(to: address, byteCount: 1) != nil
    }
}
