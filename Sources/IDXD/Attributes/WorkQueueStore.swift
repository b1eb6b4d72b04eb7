internal import DSA
internal import DSASpec
internal import Machine

extension DriverDevice {
    private static let priorityMax: UInt64 = 15

    /// Stores into an attribute that can be written. Each makes its checks in the kernel's order, which is not the same
    /// for all.
    mutating func store(
        _ text: ArraySlice<UInt8>, in attribute: WorkQueueAttribute, ofWorkQueue index: Int,
        _ machine: borrowing Machine
    ) throws(Errno) {
        let isDisabled = isDisabled(index, machine)
        switch attribute {
        case .state, .clients, .cdevMinor, .occupancy:
            throw .eio
        case .groupID:
            let value = try Text.invalid { () throws(Errno) in try KernelText.signed(text) }
            guard isConfigurable, isDisabled else { throw .eperm }
            guard (-1..<Int64(profile.groupCount)).contains(value) else { throw .einval }
            workQueues[index].group = value < 0 ? nil : Int(value)
        case .mode:
            guard isConfigurable, isDisabled else { throw .eperm }
            if KernelText.matches(text, "dedicated") {
                workQueues[index].isDedicated = true
                workQueues[index].threshold = 0
            } else if KernelText.matches(text, "shared") {
                workQueues[index].isDedicated = false
            } else {
                throw .einval
            }
        case .size:
            let value = try Text.invalid { () throws(Errno) in try KernelText.unsigned(text) }
            guard isConfigurable, !isEnabled(machine) else { throw .eperm }
            let others = workQueues.reduce(0) { $0 + $1.size } - workQueues[index].size
            guard value <= UInt64(max(0, profile.totalWorkQueueSize - others)) else { throw .einval }
            workQueues[index].size = Int(value)
        case .priority:
            let value = try Text.invalid { () throws(Errno) in try KernelText.unsigned(text) }
            guard isConfigurable, isDisabled else { throw .eperm }
            guard value <= Self.priorityMax else { throw .einval }
            workQueues[index].priority = UInt8(value)
        case .blockOnFault:
            try storeBlockOnFault(text, index, isDisabled: isDisabled)
        case .threshold:
            let value = try Text.invalid { () throws(Errno) in
                try KernelText.unsigned(text, base: .any, limit: UInt64(UInt32.max))
            }
            guard value > 0, value <= UInt64(workQueues[index].size) else { throw .einval }
            guard isConfigurable else { throw .eperm }
            guard isDisabled else { throw .enxio }
            guard !workQueues[index].isDedicated else { throw .einval }
            workQueues[index].threshold = Int(value)
        case .type, .name, .driverName:
            try storeIdentity(text, in: attribute, index, isDisabled: isDisabled)
        case .maxTransferSize:
            workQueues[index].maximumTransferShift = try shift(
                text, maximum: profile.general.maximumTransferShift, isDisabled: isDisabled)
        case .maxBatchSize:
            workQueues[index].maximumBatchShift = try shift(
                text, maximum: profile.general.maximumBatchShift, isDisabled: isDisabled)
        case .atsDisable:
            guard isConfigurable, isDisabled else { throw .eperm }
            let value = try KernelText.bool(text)
            guard !value || profile.workQueueFeatures.contains(.atsDisable) else { throw .eopnotsupp }
            workQueues[index].atsDisable = value
        case .prsDisable:
            guard isConfigurable, isDisabled else { throw .eperm }
            workQueues[index].prsDisable = try KernelText.bool(text)
            if workQueues[index].prsDisable { workQueues[index].blockOnFault = false }
        case .enqcmdsRetries:
            guard !workQueues[index].isDedicated else { throw .eopnotsupp }
            let value = try KernelText.unsigned(text, limit: UInt64(UInt32.max))
            workQueues[index].retries = Int(min(value, UInt64(DriverWorkQueue.retriesMax)))
        case .operationConfiguration:
            guard isDisabled else { throw .eperm }
            let map = try Bitmap.parse(text)
            let operations = OpcodeSet(bits: map.low)
            guard !map.hasMore, operations.isSubset(of: profile.operations) else { throw .einval }
            workQueues[index].operations = operations
        }
    }

    private mutating func storeBlockOnFault(
        _ text: ArraySlice<UInt8>, _ index: Int, isDisabled: Bool
    ) throws(Errno) {
        guard profile.general.supportsBlockOnFault else { throw .eopnotsupp }
        guard isConfigurable else { throw .eperm }
        guard isDisabled else { throw .enxio }
        let value = try KernelText.bool(text)
        guard !(value && workQueues[index].prsDisable) else { throw .eopnotsupp }
        workQueues[index].blockOnFault = value
    }

    /// Type, name and driver, which may be written on a device that cannot be configured too.
    private mutating func storeIdentity(
        _ text: ArraySlice<UInt8>, in attribute: WorkQueueAttribute, _ index: Int, isDisabled: Bool
    ) throws(Errno) {
        guard isDisabled else { throw .eperm }
        switch attribute {
        case .type:
            guard let type = WorkQueueType.allCases.first(where: { KernelText.matches(text, $0.rawValue) }) else {
                throw .einval
            }
            if type != workQueues[index].type { workQueues[index].name = [] }
            workQueues[index].type = type
        case .name:
            guard (1...DriverWorkQueue.nameByteCountMax).contains(text.count) else { throw .einval }
            workQueues[index].name = Array(KernelText.trimmed(text))
        default:
            guard (1...DriverWorkQueue.driverNameByteCountMax).contains(text.count) else { throw .einval }
            workQueues[index].driverName = Array(KernelText.trimmed(text))
        }
    }

    /// A size, rounded up to a power of two, as its exponent.
    private func shift(
        _ text: ArraySlice<UInt8>, maximum: UInt8, isDisabled: Bool
    ) throws(Errno) -> UInt8 {
        guard isConfigurable, isDisabled else { throw .eperm }
        let value = try Text.invalid { () throws(Errno) in try KernelText.unsigned(text, base: .any) }
        guard value > 0 else { throw .einval }
        let shift = UInt64.bitWidth - (value - 1).leadingZeroBitCount
        guard shift <= Int(maximum) else { throw .einval }
        return UInt8(shift)
    }
}
