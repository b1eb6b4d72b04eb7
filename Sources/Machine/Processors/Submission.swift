internal import DSA
public import DSASpec
internal import IOMMU
public import PCIe
public import Virtualization

/// Where a submission's 64 bytes come from.
public enum SubmissionSource: Sendable, BitwiseCopyable {
    /// The bytes themselves.
    case bytes(Descriptor)
    /// A linear address of any alignment, loaded by the instruction.
    case address(LinearAddress)
}

/// What ENQCMD, ENQCMDS or MOVDIR64B did, as the program sees it.
public enum SubmissionOutcome: Hashable, Sendable, BitwiseCopyable {
    /// The instruction retired with these status flags; MOVDIR64B leaves them as they were.
    case retired(StatusFlags)
    /// The program gets an exception; nothing was sent.
    case exception(ProcessorException)
    /// The guest's PASID did not translate: VM exit 72 or 73, and policy A skipped the instruction (virtualization
    /// §4.5).
    case skipped(VMExit, GuestPASID)
    /// The same, and policy C injected the exception.
    case injected(VMExit, GuestPASID, ProcessorException)
    /// The same, and no policy was applied: the vCPU is outside. Never the result of
    /// ``Machine/submit(_:destination:source:on:)``.
    case untranslated(VMExit, GuestPASID)
    /// An address of the guest that its VM does not map: VM exit 48. The hypervisor has nothing there to emulate and
    /// injects #PF.
    case unmappedGuestAddress(VMExit, ProcessorException)
}

extension Machine {
    /// Executes ENQCMD, ENQCMDS or MOVDIR64B on a processor: virtualization §1.2, steps 3 to 15, back to back.
    ///
    /// A native #GP(0) goes through the kernel's lazy load of IA32_PASID first, once in the life of a thread
    /// (virtualization §3.4); the counter of the processor tells.
    ///
    /// - Precondition: `index` names a processor, and no vCPU that is halted.
    public mutating func submit(
        _ kind: EnqueueInstruction.Kind, destination: LinearAddress, source: SubmissionSource, on index: Int
    ) -> SubmissionOutcome {
        while true {
            switch execute(kind, destination: destination, source: source, on: index) {
            case .untranslated(let exit, let guestPASID):
                let outcome = answer(exit, of: guestPASID, on: index)
                enterGuest(index)
                if let outcome { return outcome }
            case .exception(let exception):
                if case .generalProtection = exception, case .process(let process) = processors[index].space,
                    processors[index].core.fixUpGeneralProtection(processPASID: processes[process].pasid)
                {
                    continue
                }
                return .exception(exception)
            case let outcome:
                return outcome
            }
        }
    }

    /// The policy of the VM's hypervisor for exits 72 and 73 (virtualization §4.5), of a vCPU that is outside. VM entry
    /// comes next.
    ///
    /// - Returns: `nil` when the instruction is to be executed again.
    public mutating func answer(
        _ exit: VMExit, of guestPASID: GuestPASID, on index: Int
    ) -> SubmissionOutcome? {
        guard case .virtualMachine(let vm) = processors[index].space else {
            preconditionFailure("only a guest's walk fails")
        }
        switch vms[vm].settings.exitPolicy {
        case .eager:
            break
        case .strict:
            return .injected(exit, guestPASID, ExitPolicy.strictException(for: exit))
        case .lazy:
            do throws(MachineError) {
                try translateLazily(guestPASID, inVM: vm)
                return nil
            } catch {
                // What cannot be mapped now is never sent untranslated; to the guest the queue is full.
                break
            }
        }
        processors[index].core.resumeSkipping(exit)
        return .skipped(exit, guestPASID)
    }

    private mutating func execute(
        _ kind: EnqueueInstruction.Kind, destination: LinearAddress, source: SubmissionSource, on index: Int
    ) -> SubmissionOutcome {
        var instruction = EnqueueInstruction(kind, destination: destination)
        if let exception = instruction.decode(on: processors[index].core) { return .exception(exception) }

        var words: Descriptor
        switch source {
        case .bytes(let bytes):
            words = bytes
        case .address(let address):
            switch load(at: address, on: index) {
            case .loaded(let bytes): words = bytes
            case .fault(let fault): return deliver(fault, of: &instruction, on: index)
            }
        }

        let check = instruction.checkOperands(
            source: EnqueueCommandWord(rawValue: words.word0), on: processors[index].core,
            controls: processors[index].vmcs.activeSecondaryControls)
        switch check {
        case .exception(let exception):
            return .exception(exception)
        case .translatePASID(let guestPASID):
            let translation = translation(of: guestPASID, on: index)
            if let exit = instruction.finishPASIDTranslation(translation) {
                leaveGuest(index, by: exit)
                return .untranslated(exit, guestPASID)
            }
        case .translateDestination:
            break
        }

        let target: HostPhysicalAddress
        switch translate(destination, isWrite: true, on: index) {
        case .translated(let address, _): target = address
        case .fault(let fault):
            return deliver(
                AccessFault(address: destination, isWrite: true, fault: fault), of: &instruction, on: index)
        }

        words.word0 = instruction.send().rawValue
        guard kind != .movdir64b else {
            write(words, to: target)
            instruction.retirePosted(on: &processors[index].core)
            return .retired(processors[index].core.statusFlags)
        }
        return .retired(instruction.retire(deferrableWrite(words, to: target), on: &processors[index].core))
    }

    /// A DMWr on the fabric. Memory is no enqueue register: the store is dropped, written nowhere (C-08).
    mutating func deferrableWrite(_ words: Descriptor, to target: HostPhysicalAddress) -> DMWrCompletion {
        switch HostAddressLayout.target(of: target) {
        case .portal(let device, let portal) where devices.contains(device):
            guard unreachableDevices >> UInt64(device) & 1 == 0 else {
                return refuseDeferrableWrite(toDevice: device)
            }
            return devices[device].enqueue(words, to: portal)
        case .dummyPortal(let device) where devices.contains(device):
            return .requestRetryStatus
        case .portal, .dummyPortal, .memory, .nothing:
            return .unsupportedRequest
        }
    }

    /// A posted 64-byte write on the fabric.
    private mutating func write(_ words: Descriptor, to target: HostPhysicalAddress) {
        switch HostAddressLayout.target(of: target) {
        case .portal(let device, let portal) where devices.contains(device):
            devices[device].post(words, to: portal)
            collectEffects(ofDevice: device)
        case .memory:
            for index in 0..<8 { memory.store64(words[word: index], at: target.advanced(by: UInt64(index) * 8)) }
        case .portal, .dummyPortal, .nothing:
            break
        }
    }
}

// MARK: Address translation by the processor

/// An access of a processor that its page tables, or its VM's second stage, do not allow.
struct AccessFault {
    let address: LinearAddress
    let isWrite: Bool
    let fault: TranslationFault
}

extension Machine {
    /// What the processor's paging makes of `address`: the process's table; in a guest its own tables below the second
    /// stage, or the second stage alone while it has none.
    @inline(__always)
    func translate(_ address: LinearAddress, isWrite: Bool, on index: Int) -> Translation {
        let isPrivileged = processors[index].core.privilegeLevel == .supervisor
        switch processors[index].space {
        case .process(let process):
            return PageWalk.firstStage(
                in: memory, root: processes[process].table.root, levels: .four, address: address, isWrite: isWrite,
                isPrivileged: isPrivileged)
        case .virtualMachine(let machine):
            let core = processors[index].core
            guard core.hasPageTables else {
                return PageWalk.secondStage(
                    in: memory, root: vms[machine].table.root,
                    address: GuestPhysicalAddress(rawValue: address.rawValue), isWrite: isWrite)
            }
            return PageWalk.nested(
                in: memory, firstStage: core.pageTableRoot, levels: core.pagingLevels,
                secondStage: vms[machine].table.root, address: address, isWrite: isWrite, isPrivileged: isPrivileged)
        }
    }

    enum LoadOutcome {
        case loaded(Descriptor)
        case fault(AccessFault)
    }

    /// The ordinary 64-byte load of the source operand: any alignment, not atomic, at most two pages.
    func load(at address: LinearAddress, on index: Int) -> LoadOutcome {
        var descriptor = Descriptor()
        var done: UInt64 = 0
        var fault: AccessFault?
        unsafe withUnsafeMutableBytes(of: &descriptor) { bytes in
            while done < UInt64(Descriptor.byteCount) {
                let position = address.advanced(by: done)
                switch translate(position, isWrite: false, on: index) {
                case .fault(let reason):
                    fault = AccessFault(address: position, isWrite: false, fault: reason)
                    return
                case .translated(let source, let remaining):
                    let count = min(remaining, UInt64(Descriptor.byteCount) - done)
                    let place = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[Int(done)..<Int(done + count)])
                    if let pointer = unsafe memory.pointer(to: source, byteCount: count) {
                        unsafe place.copyMemory(from: UnsafeRawBufferPointer(start: pointer, count: Int(count)))
                    } else {
                        // A device register of another kind: reads of a portal return all ones (DSA 3.0 §9.3).
                        for offset in place.indices { unsafe place[offset] = 0xFF }
                    }
                    done += count
                }
            }
        }
        if let fault { return .fault(fault) }
        return .loaded(descriptor)
    }

    /// Turns a fault of an operand into what the program and the hypervisor see.
    mutating func deliver(
        _ access: AccessFault, of instruction: inout EnqueueInstruction, on index: Int
    ) -> SubmissionOutcome {
        instruction.abandon()
        let fault = raise(access, instructionLength: instruction.kind.byteCount, on: index)
        guard let exit = fault.exit else { return .exception(fault.exception) }
        return .unmappedGuestAddress(exit, fault.exception)
    }

    /// What an access that paging does not allow raises, after exit 48 when it is the second stage that forbids it.
    mutating func raise(
        _ access: AccessFault, instructionLength: UInt8, on index: Int
    ) -> (exception: ProcessorException, exit: VMExit?) {
        if access.fault.reason == .nonCanonicalAddress { return (.generalProtection(.nonCanonicalAddress), nil) }
        var code: PageFaultErrorCode = access.isWrite ? .write : []
        if processors[index].core.privilegeLevel == .user { code.insert(.user) }
        switch access.fault.reason {
        case .firstStageNotPresent, .secondStageNotPresent: break
        case .firstStageReserved: code.formUnion([.present, .reservedBit])
        default: code.insert(.present)
        }
        let exception = ProcessorException.pageFault(address: access.address, code: code)
        guard processors[index].core.isNonRoot, let guestPhysicalAddress = access.fault.secondStageAddress else {
            return (exception, nil)
        }
        let exit = VMExit(
            reason: .eptViolation, instructionLength: instructionLength, guestPhysicalAddress: guestPhysicalAddress)
        leaveGuest(index, by: exit)
        enterGuest(index)
        return (exception, exit)
    }
}
