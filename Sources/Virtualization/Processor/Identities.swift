/// A process of the host as the machine numbers it; not the operating system's pid. Dense, given by the machine.
public struct ProcessID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number.
    public let rawValue: UInt32

    /// The process of this number.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// A virtual machine. Dense, given by the machine.
public struct VMID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number.
    public let rawValue: UInt32

    /// The VM of this number.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// A virtual processor's number inside its VM.
public struct VCPUID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number.
    public let rawValue: UInt32

    /// The vCPU of this number in its VM.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}
