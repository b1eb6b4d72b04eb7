internal import DSASpec
public import PCIe

/// The descriptors that a drain, disable or abort concerns.
public enum DescriptorSelection: Hashable, Sendable {
    case all
    /// Bit n: WQ n.
    case workQueues(UInt64)
    case pasid(HostPASID)
}

/// A drain under way: it ends when no selected descriptor with a sequence up to the watermark is left.
struct PendingDrain: Sendable {
    let token: UInt64
    let selection: DescriptorSelection
    let watermark: UInt64
}

extension Device {
    /// Waits for the selected descriptors that are in the device now; later ones do not delay it (DSA 3.0 §3.12).
    ///
    /// Ends with ``DeviceEffect/drained(token:)``, in this call when there is nothing to wait for.
    public mutating func drain(_ selection: DescriptorSelection, token: UInt64) {
        pendingDrains.append(PendingDrain(token: token, selection: selection, watermark: nextSequence - 1))
        settleWaiters()
    }

    /// Abandons the selected descriptors that no engine has started on. What has begun goes on as
    /// ``OpenPoints/abortedTransfer`` says (dsa-device appendix B, 13).
    public mutating func abort(_ selection: DescriptorSelection) {
        for index in workQueues.indices where workQueues[index].occupancy > 0 {
            if case .workQueues(let mask) = selection, mask >> UInt64(index) & 1 == 0 { continue }
            let queueMode = workQueues[index].configuration
            workQueues[index].abandon { item in
                guard case .pasid(let pasid) = selection else { return true }
                return Self.pasid(of: item, in: queueMode) == pasid
            }
            if workQueues[index].occupancy == 0 { workMask &= ~(1 << UInt64(index)) }
            noteOccupancy(of: index)
        }
        for index in engines.indices
        where engines[index].activity != .idle && isSelected(engine: index, by: selection) {
            engines[index].isAborted = true
        }
        settleWaiters()
    }

    /// Ends what no longer has anything to wait for. Called whenever a descriptor may have ended.
    mutating func settleWaiters() {
        var index = 0
        while index < pendingDrains.count {
            if holds(pendingDrains[index].selection, upTo: pendingDrains[index].watermark) {
                index += 1
            } else {
                effects.append(.drained(token: pendingDrains.remove(at: index).token))
            }
        }
        if activeCommand != nil { settleCommand() }
        if pendingFunctionReset != nil { settleFunctionReset() }
    }

    /// Whether a selected descriptor with a sequence of at most `watermark` is in a WQ or an engine.
    public func holds(_ selection: DescriptorSelection, upTo watermark: UInt64 = .max) -> Bool {
        for index in engines.indices
        where engines[index].activity != .idle && engines[index].item.sequence <= watermark
            && isSelected(engine: index, by: selection)
        {
            return true
        }
        for index in workQueues.indices where workQueues[index].occupancy > 0 {
            if case .workQueues(let mask) = selection, mask >> UInt64(index) & 1 == 0 { continue }
            let configuration = workQueues[index].configuration
            let found = workQueues[index].contains { item in
                guard item.sequence <= watermark else { return false }
                guard case .pasid(let pasid) = selection else { return true }
                return Self.pasid(of: item, in: configuration) == pasid
            }
            if found { return true }
        }
        return false
    }

    private func isSelected(engine index: Int, by selection: DescriptorSelection) -> Bool {
        switch selection {
        case .all: true
        case .workQueues(let mask): mask >> UInt64(engines[index].item.portal.workQueue) & 1 == 1
        case .pasid(let pasid): engines[index].pasid == pasid
        }
    }

    static func pasid(of item: WorkItem, in configuration: WorkQueueConfiguration) -> HostPASID? {
        switch configuration.mode {
        case .shared: item.descriptor.pasid
        case .dedicated: configuration.pasidEnable ? configuration.pasid : nil
        }
    }
}
