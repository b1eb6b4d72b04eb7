internal import DSA
internal import DSASpec
internal import Protocol
internal import ProtocolMessages

extension ConfigurationResolver {
    /// What a device is built with: its generation, with the capabilities and choices that the file gives it.
    func profile(of device: WireDeviceConfiguration, at path: String) throws(ConfigurationError) -> DeviceProfile {
        var profile = device.profile == .dsa2 ? DeviceProfile.dsa2 : .dsa1
        profile.openPoints.take(device.openPoints)
        try checkOpenPoints(device.openPoints, of: profile, at: "\(path).openPoints")
        let capabilities = device.capabilities
        if capabilities.hasOpcap {
            let source = member("\(path).capabilities.opcap")
            profile.operations = try operations(Setting(capabilities.opcap, from: source), of: profile)
        }
        if capabilities.hasGencap {
            let source = member("\(path).capabilities.gencap")
            profile.general = try general(Setting(capabilities.gencap, from: source), of: profile)
        }
        return profile
    }

    /// What the ranges of the schema leave open.
    private func checkOpenPoints(
        _ wire: WireOpenPointsConfiguration, of profile: DeviceProfile, at path: String
    ) throws(ConfigurationError) {
        if profile.isGeneration2, profile.openPoints.steeringTags == .accepted {
            throw ConfigurationError(
                member("\(path).steeringTags"),
                "is accepted_flags, and a dsa2 device has no steering tags; reserved_flags is accepted")
        }
        let strides: [UInt32] = profile.isGeneration2 ? [64] : [32, 64]
        if wire.hasWqcfgStride, !strides.contains(wire.wqcfgStride) {
            throw ConfigurationError(
                member("\(path).wqcfgStride"),
                "is \(wire.wqcfgStride); \(strides.map(String.init).joined(separator: " or ")) is accepted")
        }
    }

    private func operations(
        _ text: Setting<String>, of profile: DeviceProfile
    ) throws(ConfigurationError) -> OpcodeSet {
        let defined = profile.isGeneration2 ? OpcodeSet.architectural2 : .architectural1
        let offered = defined.intersection(.emulated)
        switch text.value {
        case "architectural": return offered
        case "production": return (profile.isGeneration2 ? OpcodeSet.production2 : .production1).intersection(.emulated)
        default: break
        }
        guard let bits = Hexadecimal.value(text.value), OpcodeSet(bits: bits).isSubset(of: offered) else {
            throw text.refused(
                "is \"\(text.value)\"; architectural, production or bits of \(Hexadecimal.text(offered.bits)) are "
                    + "accepted")
        }
        return OpcodeSet(bits: bits)
    }

    private func general(
        _ text: Setting<String>, of profile: DeviceProfile
    ) throws(ConfigurationError) -> GeneralCapabilities {
        let standard = profile.general.rawValue
        let free = profile.isGeneration2 ? GeneralCapabilities.choices2 : GeneralCapabilities.choices1
        guard let bits = Hexadecimal.value(text.value), bits & ~free == standard & ~free else {
            throw text.refused(
                "is \(text.value); what \(Hexadecimal.text(standard)) becomes by changing bits of "
                    + "\(Hexadecimal.text(free)) is accepted")
        }
        let general = GeneralCapabilities(rawValue: bits)
        guard general.maximumBatchShift > 0 else {
            throw text.refused(
                "is \(text.value): a maximum batch of 2^0 lets no WQ be enabled; 2^1 to 2^15 are accepted")
        }
        return general
    }
}

extension GeneralCapabilities {
    /// The bits of a DSA 1 device that may be set and cleared: Block on Fault, overlapping moves, the cache controls,
    /// destination readback, the maximum sizes, and bit 38, whose meaning nobody knows (dsa-device appendix B, 9).
    fileprivate static let choices1: UInt64 = 0x40_01FF_010F

    /// The same of a DSA 2 device, whose Cache Flush has no cache control; and stride of Translation Fetch, Fill with
    /// 16 bytes of pattern, CRC64.
    fileprivate static let choices2: UInt64 = 0x40_01FF_0D87
}

extension WireDeviceConfiguration {
    /// Writes the profile, its capabilities and its choices.
    mutating func setProfile(_ profile: DeviceProfile) {
        self.profile = profile.isGeneration2 ? .dsa2 : .dsa1
        openPoints = profile.openPoints.wire
        capabilities.opcap = Hexadecimal.text(profile.operations.bits)
        capabilities.gencap = Hexadecimal.text(profile.general.rawValue)
    }
}
