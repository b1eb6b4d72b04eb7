internal import DSA
internal import DSASpec

/// Reads what a layout says that a group may use: read buffers, traffic classes, descriptors in progress (dsa-device
/// §6.5, §8.3). It ends in the sixth qword of GRPCFG, whose rules Enable Device checks.
struct GroupFlagsReader {
    let profile: DeviceProfile
    /// The device's limit for the groups that use it; 0 where the layout sets none.
    let deviceLimit: Int

    /// The flags of `group`.
    func flags(of group: LayoutObject) throws(ConfigurationError) -> GroupFlags {
        var flags = profile.powerOnGroupFlags
        let buffers = 0...profile.readBufferCount
        flags.readBuffersReserved = UInt8(try group.integer(LayoutMembers.readBuffersReserved, in: buffers) ?? 0)
        // What a driver writes to the device for 0.
        let allowed = try group.integer(LayoutMembers.readBuffersAllowed, in: buffers) ?? 0
        flags.readBuffersAllowed = UInt8(allowed == 0 ? profile.readBufferCount : allowed)
        let mayUseLimit = deviceLimit > 0
        let usesLimit = try group.integer(
            LayoutMembers.useReadBufferLimit, in: 0...(mayUseLimit ? 1 : 0),
            because: mayUseLimit ? nil : "read_buffer_limit is 0")
        flags.usesGlobalReadBufferLimit = usesLimit == 1
        flags.trafficClassA = try trafficClass("traffic_class_a", of: group, unset: 0)
        flags.trafficClassB = try trafficClass("traffic_class_b", of: group, unset: 1)
        try readProgressLimits(of: group, into: &flags)
        return flags
    }

    /// Of a group that says nothing the driver writes class 1; `unset` is what it writes for -1.
    private func trafficClass(
        _ member: String, of group: LayoutObject, unset: UInt8
    ) throws(ConfigurationError) -> UInt8 {
        let number = try group.integer(member, in: -1...7) ?? 1
        return number < 0 ? unset : UInt8(number)
    }

    /// Shares of what an engine may have in progress, as 1/2^n.
    private func readProgressLimits(
        of group: LayoutObject, into flags: inout GroupFlags
    ) throws(ConfigurationError) {
        guard profile.groupFeatures.contains(.progressLimits) else {
            for member in LayoutMembers.progressLimits {
                try group.integer(member, in: 0...0, because: "a device of version 1 cannot limit what is in progress")
            }
            return
        }
        let limits = try LayoutMembers.progressLimits.map { member throws(ConfigurationError) in
            UInt8(try group.integer(member, in: 0...3) ?? 0)
        }
        flags.workDescriptorLimitShift = limits[0]
        flags.batchDescriptorLimitShift = limits[1]
    }
}
