public import PCIe

/// What a logical processor raises instead of completing an instruction. No state has changed but what the exception
/// itself records.
public enum ProcessorException: Hashable, Sendable, BitwiseCopyable {
    /// #UD, vector 6.
    case invalidOpcode(InvalidOpcodeCause)
    /// #GP(0), vector 13. The cause is the model's explanation: hardware reports error code 0 for all of them.
    case generalProtection(GeneralProtectionCause)
    /// #PF, vector 14. `address` is what CR2 receives.
    case pageFault(address: LinearAddress, code: PageFaultErrorCode)

    /// The interrupt vector, 6, 13 or 14.
    public var vector: UInt8 {
        switch self {
        case .invalidOpcode: 6
        case .generalProtection: 13
        case .pageFault: 14
        }
    }

    /// The error code that the handler finds on its stack; `nil` for an exception without one.
    public var errorCode: UInt32? {
        switch self {
        case .invalidOpcode: nil
        case .generalProtection: 0
        case .pageFault(_, let code): code.rawValue
        }
    }

    /// The manuals' short name: `#UD`, `#GP(0)` or `#PF`.
    public var mnemonic: String {
        switch self {
        case .invalidOpcode: "#UD"
        case .generalProtection: "#GP(0)"
        case .pageFault: "#PF"
        }
    }
}

/// Why an instruction raised #UD.
public enum InvalidOpcodeCause: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    /// CPUID does not enumerate the instruction.
    case notEnumerated
    /// The instruction has a LOCK prefix.
    case lockPrefix
    /// Policy C's answer to exit 73 (virtualization §4.5).
    case untranslatedPASID
}

/// Why an instruction raised #GP(0).
public enum GeneralProtectionCause: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
    /// ENQCMDS, RDMSR or WRMSR at a CPL above 0.
    case privilegeLevel
    /// ENQCMD with bit 31 of IA32_PASID clear.
    case invalidPASIDRegister
    /// ENQCMD with any of bits 31:0 of the source set.
    case sourceDwordNotZero
    /// ENQCMDS with any of bits 30:20 of the source set.
    case sourceReservedBits
    /// The destination is no multiple of 64.
    case misalignedDestination
    /// A source or destination address is not canonical.
    case nonCanonicalAddress
    /// WRMSR of IA32_PASID with a reserved bit set.
    case reservedRegisterBits
    /// RDMSR or WRMSR of an MSR that the processor does not have.
    case unknownRegister
    /// The XSAVE area of XSAVES or XRSTORS is no multiple of 64.
    case misalignedArea
    /// The header of the XSAVE area is not one that XRSTORS accepts.
    case malformedArea
    /// Policy C's answer to exit 72 (virtualization §4.5).
    case untranslatedPASID
}

/// The error code of #PF (SDM vol. 3, "Page-Fault Exceptions").
public struct PageFaultErrorCode: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// The error code as the processor pushes it.
    public let rawValue: UInt32

    /// The code whose bits are 1.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// P, bit 0: the page is present and its rights forbid the access. Clear: it is not present.
    @inlinable public static var present: Self { Self(rawValue: 1 << 0) }

    /// W/R, bit 1: the access was a write.
    @inlinable public static var write: Self { Self(rawValue: 1 << 1) }

    /// U/S, bit 2: the access came from CPL 3.
    @inlinable public static var user: Self { Self(rawValue: 1 << 2) }

    /// RSVD, bit 3: a reserved bit is set in a paging structure.
    @inlinable public static var reservedBit: Self { Self(rawValue: 1 << 3) }
}
