/// The sixth qword of GRPCFG, bytes 40 to 47: what a group may use (DSA 3.0 §9.2.13, dsa-device 6.5).
public struct GroupFlags: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 64 bits, reserved ones 0.
    public private(set) var rawValue: UInt64

    /// The flags that these 64 bits state. Reserved bits are dropped.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue & 0xFF33_0FF0_FFBF
    }

    /// Power-on: TC 0 for both, nothing reserved, `allowed` read buffers, no limits.
    public init(readBuffersAllowed allowed: Int) {
        rawValue = UInt64(allowed & 0xFF) << 20
    }

    /// Bits 2:0: TC-A, 0 to 7.
    public var trafficClassA: UInt8 {
        get { field(0, width: 3) }
        set { setField(0, width: 3, to: newValue) }
    }

    /// Bits 5:3: TC-B, 0 to 7.
    public var trafficClassB: UInt8 {
        get { field(3, width: 3) }
        set { setField(3, width: 3, to: newValue) }
    }

    /// Bit 7: GENCFG's global limit holds for the group too.
    public var usesGlobalReadBufferLimit: Bool {
        get { field(7, width: 1) == 1 }
        set { setField(7, width: 1, to: newValue ? 1 : 0) }
    }

    /// Bits 15:8: read buffers that no other group gets.
    public var readBuffersReserved: UInt8 {
        get { field(8, width: 8) }
        set { setField(8, width: 8, to: newValue) }
    }

    /// Bits 27:20: the most read buffers the group may occupy, reserved ones included.
    public var readBuffersAllowed: UInt8 {
        get { field(20, width: 8) }
        set { setField(20, width: 8, to: newValue) }
    }

    /// Bits 33:32: the share of each engine's work descriptors in progress, 1/2^n. Exists with GRPCAP bit 18.
    public var workDescriptorLimitShift: UInt8 {
        get { field(32, width: 2) }
        set { setField(32, width: 2, to: newValue) }
    }

    /// Bits 37:36: the same of batch descriptors.
    public var batchDescriptorLimitShift: UInt8 {
        get { field(36, width: 2) }
        set { setField(36, width: 2, to: newValue) }
    }

    /// Bits 43:40: read bandwidth limit. Exists with GRPCAP bit 19.
    public var readBandwidthLimit: UInt8 {
        get { field(40, width: 4) }
        set { setField(40, width: 4, to: newValue) }
    }

    /// Bits 47:44: write bandwidth limit. Exists with GRPCAP bit 19.
    public var writeBandwidthLimit: UInt8 {
        get { field(44, width: 4) }
        set { setField(44, width: 4, to: newValue) }
    }

    private func field(_ bit: UInt64, width: UInt64) -> UInt8 {
        UInt8(truncatingIfNeeded: rawValue >> bit & (1 << width - 1))
    }

    private mutating func setField(_ bit: UInt64, width: UInt64, to value: UInt8) {
        let mask: UInt64 = (1 << width - 1) << bit
        rawValue = rawValue & ~mask | UInt64(value) << bit & mask
    }
}

extension GroupFlags {
    /// The bits that exist on a device with these features; writes of the others are dropped.
    public static func defined(by features: GroupFeatures) -> UInt64 {
        var mask: UInt64 = 0x3F
        if features.contains(.readBufferControl) { mask |= 0x0FF0_FF00 }
        if features.contains(.globalReadBufferLimit) { mask |= 0x80 }
        if features.contains(.progressLimits) { mask |= 0x33 << 32 }
        if features.contains(.bandwidthLimits) { mask |= 0xFF << 40 }
        return mask
    }
}
