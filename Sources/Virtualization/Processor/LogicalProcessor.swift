public import IOMMU
public import PCIe

/// A logical processor as one software thread of the host, or one vCPU, sees it.
///
/// It holds what ENQCMD, ENQCMDS and MOVDIR64B read or change, and nothing else. A new one has IA32_PASID invalid,
/// whatever its process owns (C-13).
public struct LogicalProcessor: Hashable, Sendable, BitwiseCopyable {
    /// What the processor runs.
    public enum Mode: Hashable, Sendable, BitwiseCopyable {
        /// A thread of a host process, VMX off or root mode.
        case native(ProcessID)
        /// A vCPU in VMX non-root mode.
        case nonRoot(VMID, VCPUID)
    }

    /// Whose instructions run.
    public let mode: Mode

    /// What CPUID reports.
    public let features: ProcessorFeatures

    /// The CPL. Host threads run at 3 unless an administrator says otherwise; a guest sets it freely.
    public var privilegeLevel: PrivilegeLevel

    /// The levels of paging in force; of use in non-root mode only.
    public var pagingLevels: PagingLevels = .four

    /// Whether the guest has paging on. Off, its linear addresses are guest physical. Of use in non-root mode only.
    public var hasPageTables = false

    /// CR3 without its flag bits: the guest's top paging structure. Of use in non-root mode with paging only.
    public var pageTableRoot = GuestPhysicalAddress(rawValue: 0)

    /// IA32_PASID. Software writes it with ``writeModelSpecificRegister(_:value:)``.
    public var ia32PASID: IA32PASID = .invalid

    /// IA32_XSS. Software writes it with ``writeModelSpecificRegister(_:value:)``.
    public var ia32XSS = IA32XSS.none

    /// The kernel's "this thread's MSR was loaded" flag, which bounds the lazy fix-up to once per thread
    /// (virtualization §3.4).
    public var isPASIDActivated = false

    /// The status flags of RFLAGS.
    public var statusFlags: StatusFlags = []

    /// RIP. It moves by the length of each ENQCMD, ENQCMDS and MOVDIR64B that retires or is skipped, and by nothing
    /// else; instructions are not fetched from there.
    public var instructionPointer = LinearAddress(rawValue: 0)

    /// What the processor has done so far.
    public var counters = ProcessorCounters()

    /// A processor out of reset, with CPL 3 in native and CPL 0 in non-root mode.
    public init(mode: Mode, features: ProcessorFeatures = [.enqcmd, .movdir64b]) {
        self.mode = mode
        self.features = features
        switch mode {
        case .native: privilegeLevel = .user
        case .nonRoot: privilegeLevel = .supervisor
        }
    }

    /// Whether a VMCS controls what runs.
    @inlinable public var isNonRoot: Bool {
        if case .nonRoot = mode { true } else { false }
    }
}

// MARK: Model-specific registers

extension LogicalProcessor {
    /// WRMSR. Returns the exception that it raises instead: #GP(0) above CPL 0, for any MSR but IA32_PASID and
    /// IA32_XSS, for these on a processor without ENQCMD, and for a reserved bit (virtualization §3.1).
    public mutating func writeModelSpecificRegister(_ address: UInt32, value: UInt64) -> ProcessorException? {
        guard privilegeLevel == .supervisor else { return .generalProtection(.privilegeLevel) }
        guard features.contains(.enqcmd) else { return .generalProtection(.unknownRegister) }
        if address == IA32XSS.address {
            guard let register = IA32XSS(rawValue: value) else { return .generalProtection(.reservedRegisterBits) }
            ia32XSS = register
            return nil
        }
        guard address == IA32PASID.address else { return .generalProtection(.unknownRegister) }
        guard let register = IA32PASID(rawValue: value) else { return .generalProtection(.reservedRegisterBits) }
        ia32PASID = register
        return nil
    }
}

// MARK: Lazy load of IA32_PASID

extension LogicalProcessor {
    /// The host kernel's answer to a #GP(0) of a native thread (virtualization §3.4): loads IA32_PASID from the
    /// process and returns `true` when the instruction is to be re-executed, `false` when the thread gets its signal.
    ///
    /// The handler cannot see why the exception was raised. That is why the thread flag exists: whatever else is wrong
    /// with the instruction faults a second time, and then it is no longer the kernel's affair (C-12).
    ///
    /// - Parameter processPASID: The PASID of the process; `nil` when nothing is bound for it, as after fork.
    /// - Precondition: The mode is native. A guest's kernel handles its own exceptions.
    public mutating func fixUpGeneralProtection(processPASID: HostPASID?) -> Bool {
        precondition(!isNonRoot, "the host kernel does not handle a guest's #GP")
        guard features.contains(.enqcmd), let processPASID, !isPASIDActivated else { return false }
        ia32PASID = IA32PASID(processPASID)
        isPASIDActivated = true
        counters.generalProtectionFixups &+= 1
        return true
    }
}
