/// The encoding of a VMCS field as VMREAD and VMWRITE take it (SDM vol. 3, appendix B). Open: software may name any.
public struct VMCSField: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The 32 bits of the encoding.
    public let rawValue: UInt32

    /// The field of this encoding, whether or not the processor has it.
    @inlinable
    public init(rawValue: UInt32) {
        self.rawValue = rawValue
    }

    /// 2004H, and 2005H for bits 63:32: address of the MSR bitmap.
    public static let msrBitmapAddress = Self(rawValue: 0x2004)

    /// 202CH, and 202DH for bits 63:32: XSS-exiting bitmap.
    public static let xssExitingBitmap = Self(rawValue: 0x202C)

    /// 2038H, and 2039H for bits 63:32: low PASID directory address.
    public static let lowPASIDDirectoryAddress = Self(rawValue: 0x2038)

    /// 203AH, and 203BH for bits 63:32: high PASID directory address.
    public static let highPASIDDirectoryAddress = Self(rawValue: 0x203A)

    /// 2400H, and 2401H for bits 63:32: guest physical address of an EPT violation. Read-only.
    public static let guestPhysicalAddress = Self(rawValue: 0x2400)

    /// 4002H: primary processor-based VM-execution controls.
    public static let primaryProcessorControls = Self(rawValue: 0x4002)

    /// 401EH: secondary processor-based VM-execution controls.
    public static let secondaryProcessorControls = Self(rawValue: 0x401E)

    /// 4402H: exit reason. Read-only.
    public static let exitReason = Self(rawValue: 0x4402)

    /// 440CH: VM-exit instruction length in bytes. Read-only.
    public static let exitInstructionLength = Self(rawValue: 0x440C)

    /// 6400H: exit qualification. Read-only.
    public static let exitQualification = Self(rawValue: 0x6400)

    /// Bit 0 names the upper 32 bits of a 64-bit field.
    var isUpperHalf: Bool { rawValue & 1 != 0 }

    /// The field of which this is the upper half; itself when it is none.
    var wholeField: Self { Self(rawValue: rawValue & ~1) }

    /// Bits 14:13 are 1: the field has 64 bits in every mode.
    var hasUpperHalf: Bool { rawValue >> 13 & 3 == 1 }

    /// Bits 11:10 are 1: exit information, which only the processor writes.
    var isReadOnly: Bool { rawValue >> 10 & 3 == 1 }
}

/// Why VMREAD, VMWRITE or VM entry failed (SDM vol. 3, "VM Instruction Error Numbers").
public enum VMInstructionError: UInt32, Error, Hashable, Sendable {
    /// 7: VM entry with invalid control fields.
    case invalidControlFields = 7
    /// 12: VMREAD or VMWRITE of a field that this processor does not have.
    case unsupportedField = 12
    /// 13: VMWRITE of a read-only field.
    case readOnlyField = 13
}
