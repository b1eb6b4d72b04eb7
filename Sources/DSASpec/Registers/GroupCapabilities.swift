/// GRPCAP, BAR0 + 0x30, read-only: groups and read buffers (DSA 3.0 §9.2.4, dsa-device 7.2).
public struct GroupCapabilities: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits of the register.
    public let rawValue: UInt64

    /// The capabilities that these 64 bits state.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameters:
    ///   - count: Groups, up to 255.
    ///   - readBufferCount: Read buffers over all groups, up to 255.
    @inlinable
    public init(count: Int, readBufferCount: Int, features: GroupFeatures) {
        rawValue = UInt64(count & 0xFF) | UInt64(readBufferCount & 0xFF) << 8 | features.rawValue
    }

    /// Bits 7:0: how many groups there are.
    @inlinable public var count: Int { Int(rawValue & 0xFF) }

    /// Bits 15:8: read buffers over all groups.
    @inlinable public var readBufferCount: Int { Int(rawValue >> 8 & 0xFF) }

    /// Bits 19:16.
    @inlinable public var features: GroupFeatures { GroupFeatures(rawValue: rawValue) }
}

/// The bits of GRPCAP that say what GRPCFG can limit (DSA 3.0 §9.2.4).
public struct GroupFeatures: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The bits at their places in GRPCAP.
    public let rawValue: UInt64

    /// The features whose bits, 16 to 19, are 1 in GRPCAP.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue & 0xF_0000
    }

    /// Bit 16: read buffers can be reserved and allowed per group.
    public static let readBufferControl = Self(rawValue: 1 << 16)
    /// Bit 17: GENCFG has a limit for the groups that use it.
    public static let globalReadBufferLimit = Self(rawValue: 1 << 17)
    /// Bit 18: the descriptors in progress can be limited, and ENGCAP says how many there are.
    public static let progressLimits = Self(rawValue: 1 << 18)
    /// Bit 19: the bandwidth can be limited. DSA 3.0.
    public static let bandwidthLimits = Self(rawValue: 1 << 19)

    /// What a DSA 1.0 part has.
    public static let dsa1: Self = [.readBufferControl, .globalReadBufferLimit]
}

/// ENGCAP, BAR0 + 0x38, read-only: engines (DSA 3.0 §9.2.5, dsa-device 7.2).
public struct EngineCapabilities: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits of the register.
    public let rawValue: UInt64

    /// The capabilities that these 64 bits state.
    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameters:
    ///   - count: Engines, up to 255.
    ///   - workDescriptorCount: Work descriptors that an engine can have in progress, up to 255; 0 when GRPCAP bit 18
    ///     is 0.
    ///   - batchDescriptorCount: The same of batch descriptors.
    @inlinable
    public init(count: Int, workDescriptorCount: Int, batchDescriptorCount: Int) {
        rawValue =
            UInt64(count & 0xFF) | UInt64(workDescriptorCount & 0xFF) << 8 | UInt64(batchDescriptorCount & 0xFF) << 16
    }

    /// Bits 7:0: how many engines there are.
    @inlinable public var count: Int { Int(rawValue & 0xFF) }

    /// Bits 15:8: work descriptors that an engine can have in progress. Meaningful with GRPCAP bit 18.
    @inlinable public var workDescriptorCount: Int { Int(rawValue >> 8 & 0xFF) }

    /// Bits 23:16: batch descriptors that an engine can have in progress. Meaningful with GRPCAP bit 18.
    @inlinable public var batchDescriptorCount: Int { Int(rawValue >> 16 & 0xFF) }
}
