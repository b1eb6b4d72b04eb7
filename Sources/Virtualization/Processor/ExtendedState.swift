public import PCIe

/// The part of an XSAVE area that the model's processors read and write: the header's two words and component 10
/// (virtualization §3.2). The x87 and SSE components are always in their initial state, so that the legacy region is
/// neither written nor read.
public struct ExtendedStateImage: Hashable, Sendable, BitwiseCopyable {
    /// XSTATE_BV, offset 512: the components that are not in their initial state.
    public var stateBits: UInt64
    /// XCOMP_BV, offset 520: bit 63, compacted form, and the components that have a place.
    public var formBits: UInt64
    /// Whether any of the header's reserved bytes 63:16 is not 0.
    public var hasReservedBytes: Bool
    /// Component 10: the image of IA32_PASID.
    public var pasid: UInt64

    /// An image with these fields.
    public init(stateBits: UInt64, formBits: UInt64, hasReservedBytes: Bool = false, pasid: UInt64) {
        self.stateBits = stateBits
        self.formBits = formBits
        self.hasReservedBytes = hasReservedBytes
        self.pasid = pasid
    }

    /// Where the header begins in the area: XSTATE_BV. A multiple of 64, as the area itself.
    public static let headerOffset: UInt64 = 512
    /// Where component 10 lies in the compacted form without another extended component.
    public static let pasidOffset: UInt64 = 576
    /// The size of an area with component 10, in bytes: CPUID.(0DH,1).EBX.
    public static let areaByteCount: UInt64 = 584
    /// Component 10 in a bit map of components.
    public static let pasidBit: UInt64 = 1 << 10
    /// Bit 63 of XCOMP_BV.
    public static let compactedBit: UInt64 = 1 << 63
    /// What XCR0 enables: x87 and SSE.
    public static let userComponents: UInt64 = 3
}

extension LogicalProcessor {
    /// The components that XSAVES and XRSTORS manage with this mask in EDX:EAX: RFBM.
    func requestedComponents(_ mask: UInt64) -> UInt64 {
        (ExtendedStateImage.userComponents | ia32XSS.rawValue) & mask
    }

    /// What must hold before XSAVES or XRSTORS accesses memory: #UD in non-root mode without "enable XSAVES/XRSTORS",
    /// or without supervisor components in CPUID; #GP(0) above CPL 0 or for an area that is no multiple of 64.
    public func extendedStateFault(area: LinearAddress, controls: SecondaryProcessorControls) -> ProcessorException? {
        guard features.contains(.enqcmd), !isNonRoot || controls.contains(.enableXSAVES) else {
            return .invalidOpcode(.notEnumerated)
        }
        guard privilegeLevel == .supervisor else { return .generalProtection(.privilegeLevel) }
        guard area.rawValue & 63 == 0 else { return .generalProtection(.misalignedArea) }
        return nil
    }

    /// Whether XSAVES or XRSTORS exits: a requested supervisor component has its bit in the XSS-exiting bitmap.
    public func extendedStateExits(mask: UInt64, exitingBitmap: UInt64) -> Bool {
        isNonRoot && mask & ia32XSS.rawValue & exitingBitmap != 0
    }

    /// What XSAVES writes. Component 10 is in its initial state while IA32_PASID is 0, and then not written: the init
    /// optimization.
    public func savedExtendedState(mask: UInt64) -> ExtendedStateImage {
        let requested = requestedComponents(mask)
        let isPASIDSaved = requested & ExtendedStateImage.pasidBit != 0 && ia32PASID.rawValue != 0
        return ExtendedStateImage(
            stateBits: isPASIDSaved ? ExtendedStateImage.pasidBit : 0,
            formBits: ExtendedStateImage.compactedBit | requested, pasid: ia32PASID.rawValue)
    }

    /// XRSTORS from `image`. Returns the exception that it raises instead: #GP(0) for an image that is not compacted,
    /// names components that are not enabled or that have no place, has reserved bytes, or would set a reserved bit of
    /// IA32_PASID.
    public mutating func restoreExtendedState(_ image: ExtendedStateImage, mask: UInt64) -> ProcessorException? {
        let enabled = ExtendedStateImage.userComponents | ia32XSS.rawValue
        let form = image.formBits & ~ExtendedStateImage.compactedBit
        guard image.formBits & ExtendedStateImage.compactedBit != 0, form & ~enabled == 0,
            image.stateBits & ~form == 0, !image.hasReservedBytes
        else { return .generalProtection(.malformedArea) }
        guard requestedComponents(mask) & ExtendedStateImage.pasidBit != 0 else { return nil }
        guard image.stateBits & ExtendedStateImage.pasidBit != 0 else {
            ia32PASID = .invalid
            return nil
        }
        guard let register = IA32PASID(rawValue: image.pasid) else {
            return .generalProtection(.reservedRegisterBits)
        }
        ia32PASID = register
        return nil
    }
}
