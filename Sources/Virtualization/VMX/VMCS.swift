public import PCIe

/// The VM control structure of one vCPU: the fields that govern PASID translation, MSRs
/// and extended state, and the exit information.
///
/// The hypervisor writes it only while the vCPU is outside non-root mode (virtualization §4.6).
public struct VMCS: Hashable, Sendable, BitwiseCopyable {
    /// The primary processor-based controls.
    public var primaryControls: PrimaryProcessorControls = []

    /// The secondary processor-based controls, which count only while the primary ones activate them. A new VMCS
    /// translates no PASID.
    public var secondaryControls: SecondaryProcessorControls = []

    /// Which accesses to MSRs exit; of use with "use MSR bitmaps" only.
    public var msrBitmap = HostPhysicalAddress(rawValue: 0)

    /// The supervisor components with which XSAVES and XRSTORS exit.
    public var xssExitingBitmap: UInt64 = 0

    /// The directory for guest PASIDs 0 to 7FFFFH.
    public var lowPASIDDirectory = HostPhysicalAddress(rawValue: 0)

    /// The directory for guest PASIDs 80000H to FFFFFH.
    public var highPASIDDirectory = HostPhysicalAddress(rawValue: 0)

    /// The last VM exit; `nil` before the first.
    public private(set) var lastExit: VMExit?

    /// A VMCS that translates no PASID: every control and address 0.
    public init() {}

    /// A VMCS that translates guest PASIDs by `table`.
    public init(translatingBy table: borrowing PASIDTranslationTable) {
        primaryControls = [.hltExiting, .activateSecondaryControls]
        secondaryControls = [.enableXSAVES, .pasidTranslation]
        lowPASIDDirectory = table.lowDirectory
        highPASIDDirectory = table.highDirectory
    }

    /// The secondary controls in force.
    @inlinable public var activeSecondaryControls: SecondaryProcessorControls {
        primaryControls.contains(.activateSecondaryControls) ? secondaryControls : []
    }

    mutating func record(_ exit: VMExit) {
        lastExit = exit
    }
}

// MARK: VMREAD and VMWRITE

extension VMCS {
    /// VMREAD. Exit information reads as 0 before the first exit.
    public func read(_ field: VMCSField) throws(VMInstructionError) -> UInt64 {
        if field.isUpperHalf {
            guard field.hasUpperHalf else { throw .unsupportedField }
            return try read(field.wholeField) >> 32
        }
        return switch field {
        case .lowPASIDDirectoryAddress: lowPASIDDirectory.rawValue
        case .highPASIDDirectoryAddress: highPASIDDirectory.rawValue
        case .msrBitmapAddress: msrBitmap.rawValue
        case .xssExitingBitmap: xssExitingBitmap
        case .primaryProcessorControls: UInt64(primaryControls.rawValue)
        case .guestPhysicalAddress: lastExit?.guestPhysicalAddress.rawValue ?? 0
        case .secondaryProcessorControls: UInt64(secondaryControls.rawValue)
        case .exitReason: UInt64(lastExit?.reason.rawValue ?? 0)
        case .exitInstructionLength: UInt64(lastExit?.instructionLength ?? 0)
        case .exitQualification: lastExit?.qualification ?? 0
        default: throw .unsupportedField
        }
    }

    /// VMWRITE. Nothing is checked but the field: VM entry checks the values.
    public mutating func write(_ value: UInt64, to field: VMCSField) throws(VMInstructionError) {
        let old = try read(field.hasUpperHalf ? field.wholeField : field)
        guard !field.isReadOnly else { throw .readOnlyField }
        let whole = field.isUpperHalf ? old & 0xFFFF_FFFF | value << 32 : value
        switch field.wholeField {
        case .lowPASIDDirectoryAddress: lowPASIDDirectory = HostPhysicalAddress(rawValue: whole)
        case .highPASIDDirectoryAddress: highPASIDDirectory = HostPhysicalAddress(rawValue: whole)
        case .msrBitmapAddress: msrBitmap = HostPhysicalAddress(rawValue: whole)
        case .xssExitingBitmap: xssExitingBitmap = whole
        case .primaryProcessorControls:
            primaryControls = PrimaryProcessorControls(rawValue: UInt32(truncatingIfNeeded: whole))
        default: secondaryControls = SecondaryProcessorControls(rawValue: UInt32(truncatingIfNeeded: whole))
        }
    }
}

// MARK: VM entry

/// Why VM entry refuses a VMCS. The processor itself reports no more than ``VMInstructionError/invalidControlFields``.
public enum VMEntryFailure: Error, Hashable, Sendable, BitwiseCopyable {
    /// A control is 1 that the processor does not have.
    case unsupportedControls(SecondaryProcessorControls)
    /// A primary control is 1 that the processor does not have.
    case unsupportedPrimaryControls(PrimaryProcessorControls)
    /// The MSR bitmap's address is no multiple of 4096, or does not fit the physical address width.
    case invalidMSRBitmap(HostPhysicalAddress)
    /// A PASID directory address is no multiple of 4096.
    case misalignedDirectory(HostPhysicalAddress)
    /// A PASID directory address does not fit the physical address width.
    case directoryBeyondPhysicalWidth(HostPhysicalAddress)
}

extension VMCS {
    /// The checks of VM entry on these fields (virtualization §4.1); the directories count only while PASID translation
    /// is on.
    ///
    /// - Parameter physicalAddressWidth: In bits, 12 to 52.
    public func checkEntry(physicalAddressWidth: Int = 52) throws(VMEntryFailure) {
        let unsupportedPrimary = primaryControls.subtracting(.allowed)
        guard unsupportedPrimary.isEmpty else { throw .unsupportedPrimaryControls(unsupportedPrimary) }
        if primaryControls.contains(.useMSRBitmaps) {
            guard msrBitmap.rawValue % pageByteCount == 0, msrBitmap.rawValue >> physicalAddressWidth == 0 else {
                throw .invalidMSRBitmap(msrBitmap)
            }
        }
        let unsupported = activeSecondaryControls.subtracting(.allowed)
        guard unsupported.isEmpty else { throw .unsupportedControls(unsupported) }
        guard activeSecondaryControls.contains(.pasidTranslation) else { return }
        try checkDirectory(lowPASIDDirectory, physicalAddressWidth)
        try checkDirectory(highPASIDDirectory, physicalAddressWidth)
    }

    private func checkDirectory(
        _ directory: HostPhysicalAddress, _ physicalAddressWidth: Int
    ) throws(VMEntryFailure) {
        guard directory.rawValue % pageByteCount == 0 else { throw .misalignedDirectory(directory) }
        guard directory.rawValue >> physicalAddressWidth == 0 else { throw .directoryBeyondPhysicalWidth(directory) }
    }
}
