/// A process of the host as the machine numbers it; not the operating system's pid. Dense, given by the machine.
package struct ProcessID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// A virtual machine. Dense, given by the machine.
package struct VMID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}

/// A virtual processor's number inside its VM.
package struct VCPUID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt32

    @inlinable
    package init(rawValue: UInt32) {
        self.rawValue = rawValue
    }
}
