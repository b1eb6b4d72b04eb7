/// The basic exit reason, bits 15:0 of the VM-exit reason field (SDM vol. 3, appendix C). Open: any value can occur.
public struct ExitReason: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number, 0 to 0xFFFF.
    public let rawValue: UInt16

    /// The reason of this number, defined or not.
    @inlinable
    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 1: an interrupt for the host, such as the IPI that forces a vCPU out of non-root mode.
    @inlinable public static var externalInterrupt: Self { Self(rawValue: 1) }

    /// 10: CPUID, which always exits.
    @inlinable public static var cpuid: Self { Self(rawValue: 10) }

    /// 12: HLT.
    @inlinable public static var hlt: Self { Self(rawValue: 12) }

    /// 31: RDMSR of an MSR that the MSR bitmap does not pass through.
    @inlinable public static var rdmsr: Self { Self(rawValue: 31) }

    /// 32: WRMSR of an MSR that the MSR bitmap does not pass through.
    @inlinable public static var wrmsr: Self { Self(rawValue: 32) }

    /// 48: a guest physical address that the second stage does not map, or not for this access.
    @inlinable public static var eptViolation: Self { Self(rawValue: 48) }

    /// 63: XSAVES of a component whose bit in the XSS-exiting bitmap is 1.
    @inlinable public static var xsaves: Self { Self(rawValue: 63) }

    /// 64: XRSTORS of a component whose bit in the XSS-exiting bitmap is 1.
    @inlinable public static var xrstors: Self { Self(rawValue: 64) }

    /// 72: ENQCMD whose PASID did not translate.
    @inlinable public static var enqcmd: Self { Self(rawValue: 72) }

    /// 73: ENQCMDS whose PASID did not translate.
    @inlinable public static var enqcmds: Self { Self(rawValue: 73) }
}
