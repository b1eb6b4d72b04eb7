/// What RDMSR did.
public enum RegisterRead: Hashable, Sendable, BitwiseCopyable {
    case value(UInt64)
    case exception(ProcessorException)
}

extension LogicalProcessor {
    /// RDMSR. #GP(0) above CPL 0, for any MSR but IA32_PASID and IA32_XSS, and for these without ENQCMD.
    public func readModelSpecificRegister(_ address: UInt32) -> RegisterRead {
        guard privilegeLevel == .supervisor else { return .exception(.generalProtection(.privilegeLevel)) }
        guard features.contains(.enqcmd) else { return .exception(.generalProtection(.unknownRegister)) }
        switch address {
        case IA32PASID.address: return .value(ia32PASID.rawValue)
        case IA32XSS.address: return .value(ia32XSS.rawValue)
        default: return .exception(.generalProtection(.unknownRegister))
        }
    }
}
