/// What CPUID returns.
public struct CPUIDResult: Hashable, Sendable, BitwiseCopyable {
    /// EAX.
    public var eax: UInt32 = 0
    /// EBX.
    public var ebx: UInt32 = 0
    /// ECX.
    public var ecx: UInt32 = 0
    /// EDX.
    public var edx: UInt32 = 0

    /// All registers 0: what a leaf returns that does not exist.
    public init() {}
}

extension LogicalProcessor {
    /// CPUID (virtualization §2.1, §3.2): the leaves that enumerate direct stores and the PASID state, 0, 1, 7 and 0DH.
    /// Every other leaf and subleaf is 0.
    public func identification(leaf: UInt32, subleaf: UInt32) -> CPUIDResult {
        var result = CPUIDResult()
        let hasPASID = features.contains(.enqcmd)
        switch (leaf, subleaf) {
        case (0, _):
            result.eax = 0xD
            // "GenuineIntel", in the order EBX, EDX, ECX.
            (result.ebx, result.edx, result.ecx) = (0x756E_6547, 0x4965_6E69, 0x6C65_746E)
        case (1, _):
            // XSAVE and OSXSAVE.
            result.ecx = 1 << 26 | 1 << 27
        case (7, 0):
            result.ecx = features.rawValue
        case (0xD, 0):
            result.eax = UInt32(truncatingIfNeeded: ExtendedStateImage.userComponents)
            // The standard form of x87 and SSE: legacy region and header.
            (result.ebx, result.ecx) = (576, 576)
        case (0xD, 1) where hasPASID:
            // XSAVEC and XSAVES.
            result.eax = 1 << 1 | 1 << 3
            result.ebx = UInt32(
                ia32XSS.managesPASID ? ExtendedStateImage.areaByteCount : ExtendedStateImage.pasidOffset)
            result.ecx = UInt32(ExtendedStateImage.pasidBit)
        case (0xD, 10) where hasPASID:
            result.eax = 8
            // Managed by IA32_XSS; its place is that of the compacted form alone.
            result.ecx = 1
        default:
            break
        }
        return result
    }
}
