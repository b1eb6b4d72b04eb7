import PCIe
import TestKit
import Testing
import Virtualization

/// How an instruction ended that ran with no one else between its steps.
enum Ending: Equatable {
    case exception(ProcessorException)
    case exit(VMExit)
    case sent(EnqueueCommandWord)
}

/// Runs one instruction through all its steps as the machine does, with a walk and a completion given.
struct Execution {
    var processor: LogicalProcessor
    var controls: SecondaryProcessorControls = []
    var vmcs = VMCS()
    var translation: PASIDTranslation = .translated(HostPASID(truncating: 0xABCDE))
    var completion = DMWrCompletion.successfulCompletion
    /// Whether the source was loaded.
    var loads = 0
    var walked: GuestPASID?

    init(_ processor: LogicalProcessor) {
        self.processor = processor
    }

    mutating func run(
        _ kind: EnqueueInstruction.Kind, source: UInt64, destination: UInt64 = 0x1000, lock: Bool = false
    ) -> Ending {
        var instruction = EnqueueInstruction(
            kind, destination: LinearAddress(rawValue: destination), hasLockPrefix: lock)
        if let exception = instruction.decode(on: processor) {
            #expect(instruction.step == .abandoned)
            return .exception(exception)
        }
        loads += 1
        switch instruction.checkOperands(
            source: EnqueueCommandWord(rawValue: source), on: processor, controls: controls)
        {
        case .exception(let exception):
            #expect(instruction.step == .abandoned)
            return .exception(exception)
        case .translatePASID(let guestPASID):
            walked = guestPASID
            #expect(instruction.step == .translatingPASID(guestPASID))
            if let exit = instruction.finishPASIDTranslation(translation) {
                #expect(instruction.step == .abandoned)
                processor.take(exit, recordingIn: &vmcs)
                return .exit(exit)
            }
        case .translateDestination:
            break
        }
        #expect(instruction.step == .translatingDestination)
        let command = instruction.send()
        #expect(instruction.step == .awaitingCompletion)
        if kind == .movdir64b {
            instruction.retirePosted(on: &processor)
        } else {
            let flags = instruction.retire(completion, on: &processor)
            #expect(flags == processor.statusFlags)
        }
        #expect(instruction.step == .retired)
        return .sent(command)
    }
}

extension LogicalProcessor {
    /// A host thread with `pasid` in IA32_PASID.
    static func thread(pasid: UInt32?, privilegeLevel: PrivilegeLevel = .user) -> Self {
        var processor = LogicalProcessor(mode: .native(ProcessID(rawValue: 1)))
        processor.privilegeLevel = privilegeLevel
        if let pasid { processor.ia32PASID = IA32PASID(HostPASID(truncating: pasid)) }
        return processor
    }

    /// A vCPU with `pasid` in IA32_PASID.
    static func vcpu(pasid: UInt32?, privilegeLevel: PrivilegeLevel = .user) -> Self {
        var processor = LogicalProcessor(mode: .nonRoot(VMID(rawValue: 1), VCPUID(rawValue: 0)))
        processor.privilegeLevel = privilegeLevel
        if let pasid { processor.ia32PASID = IA32PASID(GuestPASID(truncating: pasid)) }
        return processor
    }
}

/// A source whose first dword is 0 and whose second is not.
private let cleanSource: UInt64 = 0x0300_000C_0000_0000

private let allFlags: StatusFlags = [.carry, .parity, .auxiliaryCarry, .zero, .sign, .overflow]

@Suite("ENQCMD, ENQCMDS and MOVDIR64B")
struct EnqueueInstructionTests {
    @Test func `C-01: ENQCMD with IA32_PASID invalid raises #GP(0) and sends nothing`() {
        for processor in [LogicalProcessor.thread(pasid: nil), .vcpu(pasid: nil)] {
            var execution = Execution(processor)
            execution.controls = .pasidTranslation
            #expect(
                execution.run(.enqcmd, source: cleanSource) == .exception(.generalProtection(.invalidPASIDRegister)))
            #expect(execution.processor == processor)
        }
    }

    @Test(arguments: 0..<32)
    func `C-02: ENQCMD with any of SRC[31:0] set raises #GP(0)`(bit: UInt64) {
        var execution = Execution(.thread(pasid: 5))
        #expect(
            execution.run(.enqcmd, source: cleanSource | 1 << bit)
                == .exception(.generalProtection(.sourceDwordNotZero)))
    }

    @Test(arguments: [PrivilegeLevel.ring1, .ring2, .user])
    func `C-03: ENQCMDS above CPL 0 raises #GP(0) before the source is loaded, and never exits with 73`(
        level: PrivilegeLevel
    ) {
        var execution = Execution(.vcpu(pasid: 5, privilegeLevel: level))
        execution.controls = .pasidTranslation
        execution.translation = .failed(.tableEntryInvalid)
        #expect(execution.run(.enqcmds, source: cleanSource | 7) == .exception(.generalProtection(.privilegeLevel)))
        #expect(execution.loads == 0)
        #expect(execution.processor.counters.exits[.enqcmds] == 0)
    }

    @Test(arguments: 20..<31)
    func `C-04: ENQCMDS with any of SRC[30:20] set raises #GP(0)`(bit: UInt64) {
        var execution = Execution(.thread(pasid: nil, privilegeLevel: .supervisor))
        #expect(
            execution.run(.enqcmds, source: cleanSource | 7 | 1 << bit)
                == .exception(.generalProtection(.sourceReservedBits)))
    }

    @Test func `C-05: ENQCMDS works with IA32_PASID invalid and takes the PASID from the source`() {
        var execution = Execution(.thread(pasid: nil, privilegeLevel: .supervisor))
        #expect(
            execution.run(.enqcmds, source: cleanSource | 0x12345)
                == .sent(EnqueueCommandWord(rawValue: cleanSource | 0x12345)))
    }

    @Test(arguments: EnqueueInstruction.Kind.allCases, 1..<64)
    func `C-06: a destination that is not 64-byte aligned raises #GP(0) for all three instructions`(
        kind: EnqueueInstruction.Kind, offset: UInt64
    ) {
        var execution = Execution(.thread(pasid: 5, privilegeLevel: .supervisor))
        #expect(
            execution.run(kind, source: cleanSource, destination: 0x1000 + offset)
                == .exception(.generalProtection(.misalignedDestination)))
    }

    @Test(
        arguments: [
            DMWrCompletion.successfulCompletion, .unsupportedRequest, .requestRetryStatus, .completerAbort,
        ], [EnqueueInstruction.Kind.enqcmd, .enqcmds])
    func `C-07, D-06: ZF is set by every completion but SC, and the other five status flags are cleared`(
        completion: DMWrCompletion, kind: EnqueueInstruction.Kind
    ) {
        for flags in [StatusFlags(), allFlags] {
            var execution = Execution(.thread(pasid: 5, privilegeLevel: .supervisor))
            execution.processor.statusFlags = flags
            execution.completion = completion
            _ = execution.run(kind, source: cleanSource)
            let accepted = completion == .successfulCompletion
            #expect(execution.processor.statusFlags == (accepted ? [] : .zero))
            #expect(execution.processor.counters.accepted == (accepted ? 1 : 0))
            #expect(execution.processor.counters.retried == (accepted ? 0 : 1))
            #expect(execution.processor.instructionPointer.rawValue == 5)
        }
    }

    @Test(arguments: [PrivilegeLevel.supervisor, .user])
    func `C-09: CMD[31] is 0 for ENQCMD at every CPL`(level: PrivilegeLevel) {
        for processor in [
            LogicalProcessor.thread(pasid: 0xF_FFFF, privilegeLevel: level),
            .vcpu(pasid: 0xF_FFFF, privilegeLevel: level),
        ] {
            var execution = Execution(processor)
            execution.controls = .pasidTranslation
            guard case .sent(let command) = execution.run(.enqcmd, source: cleanSource) else {
                Issue.record("nothing was sent")
                continue
            }
            #expect(!command.isPrivileged)
            #expect(command.reservedBits == 0)
        }
    }

    @Test(arguments: [false, true], [false, true])
    func `C-09: CMD[31] is SRC[31] for ENQCMDS`(privileged: Bool, guest: Bool) {
        var execution = Execution(
            guest ? .vcpu(pasid: nil, privilegeLevel: .supervisor) : .thread(pasid: nil, privilegeLevel: .supervisor))
        execution.controls = .pasidTranslation
        let source = cleanSource | 0x21 | (privileged ? 1 << 31 : 0)
        guard case .sent(let command) = execution.run(.enqcmds, source: source) else {
            Issue.record("nothing was sent")
            return
        }
        #expect(command.isPrivileged == privileged)
        #expect(command.hostPASID.rawValue == (guest ? 0xABCDE : 0x21))
        #expect(command.reservedBits == 0)
    }

    @Test(arguments: UInt64(0)..<64)
    func `C-10: CMD[63:32] is SRC[63:32], with and without translation`(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let payload = random.next() & 0xFFFF_FFFF_0000_0000
        for kind in [EnqueueInstruction.Kind.enqcmd, .enqcmds] {
            for processor in [
                LogicalProcessor.thread(pasid: 3, privilegeLevel: .supervisor),
                .vcpu(pasid: 3, privilegeLevel: .supervisor),
            ] {
                var execution = Execution(processor)
                execution.controls = .pasidTranslation
                let pasid: UInt64 = kind == .enqcmds ? 3 : 0
                let expected: UInt64 = processor.isNonRoot ? 0xABCDE : 3
                #expect(
                    execution.run(kind, source: payload | pasid)
                        == .sent(EnqueueCommandWord(rawValue: payload | expected)), "seed \(seed)")
            }
        }
    }

    @Test(arguments: EnqueueInstruction.Kind.allCases)
    func `C-11: a LOCK prefix raises #UD before any memory access`(kind: EnqueueInstruction.Kind) {
        var execution = Execution(.thread(pasid: 5))
        #expect(
            execution.run(kind, source: cleanSource, destination: 1, lock: true)
                == .exception(.invalidOpcode(.lockPrefix)))
        #expect(execution.loads == 0)
    }

    @Test(arguments: EnqueueInstruction.Kind.allCases)
    func `C-11: an instruction that CPUID does not enumerate raises #UD before any memory access`(
        kind: EnqueueInstruction.Kind
    ) {
        let others: ProcessorFeatures = kind == .movdir64b ? .enqcmd : .movdir64b
        for features in [others, []] {
            var execution = Execution(LogicalProcessor(mode: .native(ProcessID(rawValue: 1)), features: features))
            #expect(
                execution.run(kind, source: cleanSource, destination: 1) == .exception(.invalidOpcode(.notEnumerated)))
            #expect(execution.loads == 0)
        }
    }

    @Test func `Each #GP cause wins over the ones after it`() {
        var execution = Execution(.thread(pasid: nil))
        #expect(
            execution.run(.enqcmd, source: 1, destination: 1)
                == .exception(.generalProtection(.invalidPASIDRegister)))
        execution = Execution(.thread(pasid: 1))
        #expect(
            execution.run(.enqcmd, source: 1, destination: 1) == .exception(.generalProtection(.sourceDwordNotZero)))
        execution = Execution(.thread(pasid: nil, privilegeLevel: .supervisor))
        #expect(
            execution.run(.enqcmds, source: 1 << 20, destination: 1)
                == .exception(.generalProtection(.sourceReservedBits)))
    }

    @Test func `An invalid operand in non-root mode raises #GP(0) in the guest and never exits`() {
        var execution = Execution(.vcpu(pasid: 5))
        execution.controls = .pasidTranslation
        execution.translation = .failed(.directoryEntryNotPresent)
        #expect(
            execution.run(.enqcmd, source: 1) == .exception(.generalProtection(.sourceDwordNotZero)))
        #expect(
            execution.run(.enqcmd, source: cleanSource, destination: 8)
                == .exception(.generalProtection(.misalignedDestination)))
        #expect(execution.processor.counters.exits[.enqcmd] == 0)
        #expect(execution.walked == nil)
    }

    @Test func `ENQCMD translates IA32_PASID and ENQCMDS the PASID of its source`() {
        var execution = Execution(.vcpu(pasid: 0x11, privilegeLevel: .supervisor))
        execution.controls = .pasidTranslation
        _ = execution.run(.enqcmd, source: cleanSource)
        #expect(execution.walked == GuestPASID(truncating: 0x11))
        _ = execution.run(.enqcmds, source: cleanSource | 0x8000_0022)
        #expect(execution.walked == GuestPASID(truncating: 0x22))
    }

    @Test func `V-02: a guest PASID does not reach the wire when translation is on`() {
        var execution = Execution(.vcpu(pasid: 0x11))
        execution.controls = .pasidTranslation
        #expect(
            execution.run(.enqcmd, source: cleanSource) == .sent(EnqueueCommandWord(rawValue: cleanSource | 0xABCDE)))
    }

    @Test func `Without the PASID translation control a guest PASID reaches the wire as it is`() {
        var execution = Execution(.vcpu(pasid: 0x11))
        #expect(execution.run(.enqcmd, source: cleanSource) == .sent(EnqueueCommandWord(rawValue: cleanSource | 0x11)))
        #expect(execution.walked == nil)
    }

    @Test func `The PASID translation control has no effect in native mode`() {
        var execution = Execution(.thread(pasid: 0x11))
        execution.controls = .pasidTranslation
        #expect(execution.run(.enqcmd, source: cleanSource) == .sent(EnqueueCommandWord(rawValue: cleanSource | 0x11)))
        #expect(execution.walked == nil)
    }

    @Test(arguments: [LogicalProcessor.thread(pasid: nil), .vcpu(pasid: nil)])
    func `MOVDIR64B sends its source unchanged at any CPL and changes no flag`(processor: LogicalProcessor) {
        var execution = Execution(processor)
        execution.controls = .pasidTranslation
        execution.processor.statusFlags = allFlags
        #expect(
            execution.run(.movdir64b, source: .max) == .sent(EnqueueCommandWord(rawValue: .max)))
        #expect(execution.processor.statusFlags == allFlags)
        #expect(execution.processor.counters.posted == 1)
        #expect(execution.processor.instructionPointer.rawValue == 5)
        #expect(execution.walked == nil)
    }

    @Test func `A fault of the source or of the destination ends the instruction without effect`() {
        let processor = LogicalProcessor.thread(pasid: 5)
        var instruction = EnqueueInstruction(.enqcmd, destination: LinearAddress(rawValue: 0x40))
        #expect(instruction.decode(on: processor) == nil)
        instruction.abandon()
        #expect(instruction.step == .abandoned)

        instruction = EnqueueInstruction(.enqcmd, destination: LinearAddress(rawValue: 0x40))
        #expect(instruction.decode(on: processor) == nil)
        let check = instruction.checkOperands(source: EnqueueCommandWord(rawValue: cleanSource), on: processor)
        #expect(check == .translateDestination)
        instruction.abandon()
        #expect(instruction.step == .abandoned)
    }
}

@Suite("VM exits 72 and 73")
struct PASIDTranslationExitTests {
    @Test(
        arguments: PASIDTranslationFailure.allCases,
        [(EnqueueInstruction.Kind.enqcmd, ExitReason(rawValue: 72)), (.enqcmds, ExitReason(rawValue: 73))])
    func `V-03: every failure of the walk gives exit 72 for ENQCMD and 73 for ENQCMDS`(
        failure: PASIDTranslationFailure, expected: (EnqueueInstruction.Kind, ExitReason)
    ) {
        var execution = Execution(.vcpu(pasid: 5, privilegeLevel: .supervisor))
        execution.controls = .pasidTranslation
        execution.translation = .failed(failure)
        let exit = VMExit(reason: expected.1, instructionLength: 5)
        #expect(execution.run(expected.0, source: cleanSource) == .exit(exit))
        #expect(execution.vmcs.lastExit == exit)
        #expect(exit.qualification == 0)
        #expect(execution.processor.counters.exits[.enqcmd] == (expected.0 == .enqcmd ? 1 : 0))
        #expect(execution.processor.counters.exits[.enqcmds] == (expected.0 == .enqcmds ? 1 : 0))
    }

    @Test(arguments: [EnqueueInstruction.Kind.enqcmd, .enqcmds])
    func `V-05: on exit 72 and 73 RIP, the flags and every register are unchanged`(kind: EnqueueInstruction.Kind) {
        var execution = Execution(.vcpu(pasid: 5, privilegeLevel: .supervisor))
        execution.controls = .pasidTranslation
        execution.translation = .failed(.tableEntryInvalid)
        execution.processor.statusFlags = allFlags
        execution.processor.instructionPointer = LinearAddress(rawValue: 0x40_1000)
        var before = execution.processor
        _ = execution.run(kind, source: cleanSource)
        before.counters = execution.processor.counters
        #expect(execution.processor == before)
    }

    @Test(arguments: [EnqueueInstruction.Kind.enqcmd, .enqcmds])
    func `V-06: policy A resumes at the next instruction with ZF = 1 and the other five flags 0`(
        kind: EnqueueInstruction.Kind
    ) {
        var execution = Execution(.vcpu(pasid: 5, privilegeLevel: .supervisor))
        execution.controls = .pasidTranslation
        execution.translation = .failed(.tableEntryInvalid)
        execution.processor.statusFlags = allFlags
        execution.processor.instructionPointer = LinearAddress(rawValue: 0x40_1000)
        guard case .exit(let exit) = execution.run(kind, source: cleanSource) else {
            Issue.record("no VM exit")
            return
        }
        execution.processor.resumeSkipping(exit)
        #expect(execution.processor.statusFlags == .zero)
        #expect(execution.processor.instructionPointer.rawValue == 0x40_1005)
    }
}
