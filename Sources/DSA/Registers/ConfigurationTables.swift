internal import DSASpec

// GRPCFG and WQCFG (DSA 3.0 §9.2.13 and §9.3, dsa-device 6.4 and 6.5).
extension Device {
    /// Dword `index` of GRPCFG, 0 to 15: WQ bitmap of 8 dwords, engine bitmap of 2, flags of 2. No device here has more
    /// than 64 WQs, so that of the WQ bitmap the first two dwords exist.
    func groupDword(_ index: Int, of group: Int) -> UInt32 {
        let qword: UInt64 =
            switch index / 2 {
            case 0: groups[group].workQueues
            case 4: groups[group].engines
            case 5: groupFlags[group].rawValue
            default: 0
            }
        return UInt32(truncatingIfNeeded: qword >> (UInt64(index & 1) * 32))
    }

    /// Writes into dword `index` of GRPCFG.
    mutating func writeGroup(_ group: Int, dword index: Int, _ write: DwordWrite) {
        var membership = groups[group]
        switch index / 2 {
        case 0:
            membership.workQueues = write.merged(with: membership.workQueues, half: index & 1)
            _ = configure(group: group, as: membership)
        case 4:
            membership.engines = write.merged(with: membership.engines, half: index & 1)
            _ = configure(group: group, as: membership)
        case 5:
            let qword = write.merged(with: groupFlags[group].rawValue, half: index & 1)
            _ = configure(group: group, flags: GroupFlags(rawValue: qword))
        default:
            break
        }
    }

    /// Dword `index` of WQCFG, 0 to 15.
    func workQueueDword(_ index: Int, of queue: Int) -> UInt32 {
        guard index != 6 else { return workQueueStatus(queue).rawValue }
        guard index < 8 || profile.workQueueFeatures.contains(.operationConfiguration) else { return 0 }
        return workQueues[queue].configuration.dword(index, supported: profile.operations)
    }

    /// What dword 6 of WQCFG shows of a WQ.
    func workQueueStatus(_ queue: Int) -> WorkQueueStatusBits {
        let features = profile.workQueueFeatures
        return WorkQueueStatusBits(
            occupancy: features.contains(.occupancy) ? workQueues[queue].occupancy : 0,
            isInterruptGenerated: workQueues[queue].isOccupancyInterruptGenerated,
            isModeSelectable: features.isSuperset(of: [.shared, .dedicated]), state: workQueues[queue].state)
    }

    /// Writes into dword `index` of WQCFG.
    mutating func writeWorkQueue(_ queue: Int, dword index: Int, _ write: DwordWrite) {
        guard index != 6 else {
            if WorkQueueStatusBits(rawValue: write.value).isInterruptGenerated {
                clearOccupancyInterrupt(of: queue)
            }
            return
        }
        guard index < 8 || profile.workQueueFeatures.contains(.operationConfiguration) else { return }
        var wanted = workQueues[queue].configuration
        let old = wanted.dword(index, supported: profile.operations)
        wanted.setDword(index, to: write.merged(with: old), supported: profile.operations)
        _ = configure(workQueue: queue, as: wanted)
    }
}
