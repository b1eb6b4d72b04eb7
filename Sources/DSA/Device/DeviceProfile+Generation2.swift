internal import DSASpec

extension DeviceProfile {
    /// A DSA 2.0 part of the size of ``dsa1``, with what this version carries out of it.
    public static let dsa2 = {
        var profile = DeviceProfile.dsa1
        profile.version = 0x200
        profile.general = .dsa2
        profile.operations = .architectural2.intersection(.emulated)
        profile.workQueueFeatures.formUnion([.atsDisable, .operationConfiguration, .prsDisable])
        profile.groupFeatures.insert(.progressLimits)
        profile.openPoints.workQueueConfigurationStride = .bytes64
        return profile
    }()

    /// Whether this is a part of the second generation, or a later one.
    public var isGeneration2: Bool { version >= 0x200 }
}
