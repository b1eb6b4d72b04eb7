internal import IOMMU
public import PCIe
public import Virtualization

/// What an instruction that may exit did.
public enum PrivilegedOutcome: Hashable, Sendable, BitwiseCopyable {
    /// It is complete. With an exit, the hypervisor has emulated it.
    case completed(VMExit?)
    /// The program gets an exception. With an exit, the hypervisor has injected it.
    case exception(ProcessorException, VMExit?)

    /// What the program gets instead of the effect.
    public var exception: ProcessorException? {
        if case .exception(let exception, _) = self { exception } else { nil }
    }

    /// The exit that it went through.
    public var exit: VMExit? {
        switch self {
        case .completed(let exit), .exception(_, let exit): exit
        }
    }
}

// MARK: Model-specific registers

extension Machine {
    /// WRMSR on a processor. A guest's exits with 32 unless its MSR bitmap passes the MSR through, and is emulated.
    public mutating func writeModelSpecificRegister(
        _ address: UInt32, value: UInt64, on index: Int
    ) -> PrivilegedOutcome {
        let exit = interceptedAccess(to: address, isWrite: true, on: index)
        let exception = processors[index].core.writeModelSpecificRegister(address, value: value)
        if let exception { return .exception(exception, exit) }
        return .completed(exit)
    }

    /// RDMSR on a processor. A guest's exits with 31 unless its MSR bitmap passes the MSR through, and is emulated.
    public mutating func readModelSpecificRegister(
        _ address: UInt32, on index: Int
    ) -> (read: RegisterRead, exit: VMExit?) {
        let exit = interceptedAccess(to: address, isWrite: false, on: index)
        return (processors[index].core.readModelSpecificRegister(address), exit)
    }

    /// Exit 31 or 32, taken and entered again, when the access is intercepted. #GP(0) for the CPL comes first
    /// (virtualization §2.5).
    private mutating func interceptedAccess(to address: UInt32, isWrite: Bool, on index: Int) -> VMExit? {
        let processor = processors[index]
        guard processor.core.isNonRoot, processor.core.privilegeLevel == .supervisor else { return nil }
        if processor.vmcs.primaryControls.contains(.useMSRBitmaps),
            !MSRBitmap.exits(address, isWrite: isWrite, bitmap: processor.vmcs.msrBitmap, in: memory)
        {
            return nil
        }
        return exitAndEnter(VMExit(reason: isWrite ? .wrmsr : .rdmsr, instructionLength: 2), on: index)
    }

    /// An exit whose handling is done in the same step.
    private mutating func exitAndEnter(_ exit: VMExit, on index: Int) -> VMExit {
        leaveGuest(index, by: exit)
        enterGuest(index)
        return exit
    }
}

// MARK: CPUID

extension Machine {
    /// CPUID on a processor; a guest's exits with 10, and its hypervisor passes on what the host has.
    public mutating func identify(
        leaf: UInt32, subleaf: UInt32, on index: Int
    ) -> (result: CPUIDResult, exit: VMExit?) {
        let exit =
            processors[index].core.isNonRoot
            ? exitAndEnter(VMExit(reason: .cpuid, instructionLength: 2), on: index) : nil
        return (processors[index].core.identification(leaf: leaf, subleaf: subleaf), exit)
    }
}

// MARK: XSAVES and XRSTORS

extension Machine {
    /// XSAVES of a processor to the area at `area`, with `mask` in EDX:EAX.
    public mutating func saveExtendedState(to area: LinearAddress, mask: UInt64, on index: Int) -> PrivilegedOutcome {
        let start = beginExtendedState(area, mask: mask, isSave: true, on: index)
        guard case .places(let header, let component, let exit) = start else { return start.outcome }
        let image = processors[index].core.savedExtendedState(mask: mask)
        memory.store64(image.stateBits, at: header)
        memory.store64(image.formBits, at: header.advanced(by: 8))
        if image.stateBits & ExtendedStateImage.pasidBit != 0 { memory.store64(image.pasid, at: component) }
        return .completed(exit)
    }

    /// XRSTORS of a processor from the area at `area`, with `mask` in EDX:EAX.
    public mutating func restoreExtendedState(
        from area: LinearAddress, mask: UInt64, on index: Int
    ) -> PrivilegedOutcome {
        let start = beginExtendedState(area, mask: mask, isSave: false, on: index)
        guard case .places(let header, let component, let exit) = start else { return start.outcome }
        func word(_ address: HostPhysicalAddress) -> UInt64 { memory.load64(address) ?? .max }
        var reserved: UInt64 = 0
        for offset in stride(from: UInt64(16), to: 64, by: 8) { reserved |= word(header.advanced(by: offset)) }
        let image = ExtendedStateImage(
            stateBits: word(header), formBits: word(header.advanced(by: 8)), hasReservedBytes: reserved != 0,
            pasid: word(component))
        if let exception = processors[index].core.restoreExtendedState(image, mask: mask) {
            return .exception(exception, exit)
        }
        return .completed(exit)
    }

    private enum ExtendedStateStart {
        /// Where the header and component 10 lie.
        case places(HostPhysicalAddress, HostPhysicalAddress, VMExit?)
        case ended(PrivilegedOutcome)

        var outcome: PrivilegedOutcome {
            guard case .ended(let outcome) = self else { preconditionFailure("it goes on") }
            return outcome
        }
    }

    /// The checks, the exit and the address translation that both instructions have in common. Nothing is written
    /// before both places are known.
    private mutating func beginExtendedState(
        _ area: LinearAddress, mask: UInt64, isSave: Bool, on index: Int
    ) -> ExtendedStateStart {
        let core = processors[index].core
        let vmcs = processors[index].vmcs
        if let fault = core.extendedStateFault(area: area, controls: vmcs.activeSecondaryControls) {
            return .ended(.exception(fault, nil))
        }
        var exit: VMExit?
        if core.extendedStateExits(mask: mask, exitingBitmap: vmcs.xssExitingBitmap) {
            exit = exitAndEnter(VMExit(reason: isSave ? .xsaves : .xrstors, instructionLength: 4), on: index)
        }
        var places: [HostPhysicalAddress] = []
        for offset in [ExtendedStateImage.headerOffset, ExtendedStateImage.pasidOffset] {
            let address = area.advanced(by: offset)
            switch translate(address, isWrite: isSave, on: index) {
            case .translated(let place, _):
                places.append(place)
            case .fault(let reason):
                let fault = raise(
                    AccessFault(address: address, isWrite: isSave, fault: reason), instructionLength: 4, on: index)
                return .ended(.exception(fault.exception, fault.exit ?? exit))
            }
        }
        return .places(places[0], places[1], exit)
    }
}
