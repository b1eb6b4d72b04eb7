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

    /// 12: HLT.
    @inlinable public static var hlt: Self { Self(rawValue: 12) }

    /// 48: a guest physical address that the second stage does not map, or not for this access.
    @inlinable public static var eptViolation: Self { Self(rawValue: 48) }

    /// 72: ENQCMD whose PASID did not translate.
    @inlinable public static var enqcmd: Self { Self(rawValue: 72) }

    /// 73: ENQCMDS whose PASID did not translate.
    @inlinable public static var enqcmds: Self { Self(rawValue: 73) }
}
