/// What RDMSR did.
public enum RegisterRead: Hashable, Sendable, BitwiseCopyable {
    case value(UInt64)
    case exception(ProcessorException)
}

extension LogicalProcessor {
    /// RDMSR. #GP(0) above CPL 0, for any MSR but IA32_PASID, and for IA32_PASID on a processor without ENQCMD.
    public func readModelSpecificRegister(_ address: UInt32) -> RegisterRead {
        guard privilegeLevel == .supervisor else { return .exception(.generalProtection(.privilegeLevel)) }
        guard address == IA32PASID.address, features.contains(.enqcmd) else {
            return .exception(.generalProtection(.unknownRegister))
        }
        return .value(ia32PASID.rawValue)
    }
}
