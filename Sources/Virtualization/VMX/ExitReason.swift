/// The basic exit reason, bits 15:0 of the VM-exit reason field (SDM vol. 3, appendix C). Open: any value can occur.
package struct ExitReason: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt16

    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// 1: an interrupt for the host, such as the IPI that forces a vCPU out of non-root mode.
    @inlinable package static var externalInterrupt: Self { Self(rawValue: 1) }

    /// 12: HLT.
    @inlinable package static var hlt: Self { Self(rawValue: 12) }

    /// 48: a guest physical address that the second stage does not map, or not for this access.
    @inlinable package static var eptViolation: Self { Self(rawValue: 48) }

    /// 72: ENQCMD whose PASID did not translate.
    @inlinable package static var enqcmd: Self { Self(rawValue: 72) }

    /// 73: ENQCMDS whose PASID did not translate.
    @inlinable package static var enqcmds: Self { Self(rawValue: 73) }
}
