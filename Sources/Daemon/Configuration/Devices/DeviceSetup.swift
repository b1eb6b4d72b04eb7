package import DSA
package import DSASpec
internal import IDXD
internal import PCIe

/// How a device is built and configured at the start.
package struct DeviceSetup: Sendable {
    /// The device's name, such as `dsa0`.
    package let name: String
    /// The capabilities.
    package let profile: DeviceProfile
    /// The WQs that have a size, by rising index.
    package let workQueues: [WorkQueueSetup]
    /// The groups from group 0 on, at most as many as the profile has.
    package let groups: [GroupConfiguration]
    /// What each of these groups may use.
    package let groupFlags: [GroupFlags]
    /// GENCFG's limit on the read buffers of the groups that use it; `nil` for the power-on value, all of them.
    package let globalReadBufferLimit: UInt8?
    /// Enable Device is issued; then its WQs are enabled that ask for it.
    package let isEnabled: Bool
    /// The index of the port that it hangs at; `nil` for an endpoint of the root complex.
    package var port: Int?

    /// How one WQ is configured.
    package struct WorkQueueSetup: Hashable, Sendable {
        package let index: Int
        package let configuration: WorkQueueConfiguration
        /// Enable WQ is issued.
        package let isEnabled: Bool
        /// Whom it is for, its name and driver, as the Linux driver keeps them.
        package let identity: WorkQueueIdentity
    }

    /// GENCFG. Users may ask for interrupts, as under a driver that gives WQs to users.
    package var generalConfiguration: GeneralConfiguration {
        var configuration = profile.powerOnConfiguration
        if let globalReadBufferLimit { configuration.globalReadBufferLimit = globalReadBufferLimit }
        configuration.areUserInterruptsEnabled = true
        return configuration
    }

    /// The commands to issue, in order, once WQs and groups are configured.
    package var commands: [DeviceCommand] {
        guard isEnabled else { return [] }
        return [.enableDevice] + workQueues.filter(\.isEnabled).map { .enableWorkQueue($0.index) }
    }
}

extension DeviceSetup {
    /// The device of a daemon that nobody configured: WQ 0 shared and WQ 1 dedicated, enabled, in one group with all
    /// engines.
    ///
    /// One group and priority 10 are what accel-config gives a user who asks for nothing: any engine serves either WQ,
    /// so whichever is busy gets the whole device. WQ 0 has three quarters of the entries, because many clients share
    /// it and one owns the other; 16 of them are out of reach of limited portals, so that unlimited ones get through
    /// when users have filled their share. Transfers and batches may be as large as the device allows. DPDK takes WQs
    /// whose names begin with `dpdk_`, and only dedicated ones.
    static func standard(name: String, profile: DeviceProfile = .dsa1) -> DeviceSetup {
        var shared = WorkQueueConfiguration()
        shared.mode = .shared
        shared.size = UInt16(profile.totalWorkQueueSize * 3 / 4)
        shared.threshold = shared.size - 16
        shared.pasidEnable = true
        shared.priority = 10
        shared.maximumTransferShift = profile.general.maximumTransferShift
        shared.maximumBatchShift = profile.general.maximumBatchShift

        var dedicated = shared
        dedicated.mode = .dedicated
        dedicated.size = UInt16(profile.totalWorkQueueSize) - shared.size
        dedicated.threshold = 0
        dedicated.pasidEnable = false

        return DeviceSetup(
            name: name, profile: profile,
            workQueues: [
                WorkQueueSetup(
                    index: 0, configuration: shared, isEnabled: true,
                    identity: WorkQueueIdentity(type: .user, name: "shared")),
                WorkQueueSetup(
                    index: 1, configuration: dedicated, isEnabled: true,
                    identity: WorkQueueIdentity(type: .user, name: "dpdk_dedicated")),
            ],
            groups: [GroupConfiguration(workQueues: 0b11, engines: 1 << UInt64(profile.engineCount) - 1)],
            groupFlags: [driverGroupFlags(profile)],
            globalReadBufferLimit: nil,
            isEnabled: true)
    }

    /// What the driver writes of a group that nobody configured: power-on but for traffic class 1 (dsa-device 8.3).
    static func driverGroupFlags(_ profile: DeviceProfile) -> GroupFlags {
        var flags = profile.powerOnGroupFlags
        flags.trafficClassA = 1
        flags.trafficClassB = 1
        return flags
    }

    /// Configures and enables a device of its own, as the daemon will at the start: the rules are the device's.
    ///
    /// - Returns: What the device refused and why, or `nil`.
    func problem() -> String? {
        var device = Device(profile: profile, requester: RequesterID(rawValue: 0))
        _ = device.setPageRequests(isEnabled: true, allocation: profile.pageRequestCapacity)
        for queue in workQueues {
            guard device.configure(workQueue: queue.index, as: queue.configuration) else {
                return "WQ \(queue.index) does not take its configuration"
            }
        }
        for (index, group) in groups.enumerated() {
            guard device.configure(group: index, as: group) else { return "group \(index) does not take its members" }
            guard device.configure(group: index, flags: groupFlags[index]) else {
                return "group \(index) does not take its limits"
            }
        }
        guard device.configure(generalConfiguration) else { return "the device does not take its limit" }
        for command in commands {
            guard case .completed(let error, _) = device.execute(command) else {
                preconditionFailure("enabling waits for no descriptor")
            }
            if error != .none { return explanation(of: error, from: command) }
        }
        return nil
    }

    /// An error of Enable Device or Enable WQ (dsa-device 6.4 and 7.4) in terms of the setup.
    package func explanation(of error: CommandError, from command: DeviceCommand) -> String {
        let code = "0x" + (error.rawValue < 16 ? "0" : "") + String(error.rawValue, radix: 16)
        let refusal: String
        switch command {
        case .enableWorkQueue(let index): refusal = "Enable WQ refuses WQ \(index) with \(code)"
        default: refusal = "Enable Device fails with \(code)"
        }
        switch error {
        case .totalSizeExceeded:
            let sum = workQueues.reduce(0) { $0 + Int($1.configuration.size) }
            return "\(refusal): the WQ sizes sum to \(sum); up to \(profile.totalWorkQueueSize) are accepted"
        case .incompleteGroup:
            let group = groups.firstIndex { ($0.workQueues == 0) != ($0.engines == 0) } ?? 0
            let (has, lacks) = groups[group].engines == 0 ? ("WQs", "engines") : ("engines", "WQs")
            return "\(refusal): group \(group) has \(has) and no \(lacks); both or neither are accepted"
        case .workQueueGroupConflict:
            return "\(refusal): a WQ with a size must be in one group, one without a size in none"
        case .engineInSeveralGroups:
            return "\(refusal): an engine is in several groups; it may be in one"
        case .invalidReadBuffers:
            return "\(refusal): \(readBufferProblem)"
        default:
            return refusal
        }
    }

    /// Which rule of dsa-device 6.5 the read buffers break.
    private var readBufferProblem: String {
        let total = profile.readBufferCount
        let reserved = groupFlags.reduce(0) { $0 + Int($1.readBuffersReserved) }
        guard reserved <= total else {
            return "the groups reserve \(reserved) read buffers; up to \(total) are accepted"
        }
        for (index, group) in groups.enumerated() where group.engines != 0 {
            let (own, allowed) = (Int(groupFlags[index].readBuffersReserved), Int(groupFlags[index].readBuffersAllowed))
            let (least, most) = (max(own, 4 * group.engines.nonzeroBitCount), own + total - reserved)
            guard least <= most else {
                return "the other groups reserve so many read buffers that \(most) are left for group \(index), "
                    + "whose engines need \(least)"
            }
            guard (least...most).contains(allowed) else {
                return "group \(index) may use \(allowed) read buffers; \(least) to \(most) are accepted"
            }
        }
        return "the read buffers of the groups that use read_buffer_limit are fewer than 4 for each engine"
    }
}
