public import PCIe

/// One ENQCMD, ENQCMDS or MOVDIR64B on its way through a logical processor, in steps between which other processors
/// and table updates may run (virtualization §2).
///
///     fetched ── decode ──> loadingSource ── checkOperands ──> translatingPASID ─┐
///        │                       │                  │ (no PASID to translate)    │ finishPASIDTranslation
///        │                       │                  └──────────────┬─────────────┘
///        │                       │                     translatingDestination ── send ──> awaitingCompletion
///        │ #UD #GP               │ #PF #GP, exit 48         │ #PF #GP, exit 48                   │ retire
///        └───────────────────────┴──── abandoned <──────────┘                                    v
///                                          ^── exit 72, 73 (translatingPASID)                  retired
///
/// The owner loads the source, walks the PASID translation table, translates the destination and delivers the write,
/// and reports each result here. The 56 bytes after the first word are its to carry along.
///
/// Where the manuals leave an order open, it is fixed here and nowhere else: #UD; then #GP(0) for the CPL; then faults
/// of the source load; then #GP(0) for IA32_PASID, for the source, for a misaligned destination; then the PASID
/// translation; then faults of the destination (virtualization §2.4, §2.5).
public struct EnqueueInstruction: Hashable, Sendable, BitwiseCopyable {
    /// Which instruction.
    public enum Kind: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
        /// F2 0F 38 F8 /r.
        case enqcmd
        /// F3 0F 38 F8 /r.
        case enqcmds
        /// 66 0F 38 F8 /r.
        case movdir64b

        /// The length in bytes of the form that the model executes: prefix, three opcode bytes, ModRM.
        @inlinable public var byteCount: UInt8 { 5 }
    }

    /// What the instruction waits for.
    public enum Step: Hashable, Sendable, BitwiseCopyable {
        case fetched
        case loadingSource
        case translatingPASID(GuestPASID)
        case translatingDestination
        case awaitingCompletion
        /// Complete: RIP has moved.
        case retired
        /// Ended by an exception or a VM exit. Nothing was sent; to re-execute is to fetch anew.
        case abandoned
    }

    /// What ``checkOperands(source:on:controls:)`` found.
    public enum OperandCheck: Hashable, Sendable, BitwiseCopyable {
        /// Nothing is sent.
        case exception(ProcessorException)
        /// The PASID is a guest's: walk the VM's PASID translation table.
        case translatePASID(GuestPASID)
        /// The command is complete: translate the destination.
        case translateDestination
    }

    /// Which of the three it is.
    public let kind: Kind

    /// The destination's linear address.
    public let destination: LinearAddress

    /// Whether the instruction has a LOCK prefix, which none of the three allows.
    public let hasLockPrefix: Bool

    @usableFromInline var currentStep: Step = .fetched

    /// The source's first word until the PASID is known, the command's from then on.
    @usableFromInline var word = EnqueueCommandWord(rawValue: 0)

    /// A fetched instruction that is to write to `destination`.
    @inlinable
    public init(_ kind: Kind, destination: LinearAddress, hasLockPrefix: Bool = false) {
        self.kind = kind
        self.destination = destination
        self.hasLockPrefix = hasLockPrefix
    }

    /// How far it is.
    @inlinable public var step: Step { currentStep }
}

// MARK: The steps

extension EnqueueInstruction {
    /// Checks what needs no memory access: #UD when CPUID does not enumerate the instruction or it has a LOCK prefix
    /// (C-11), #GP(0) for ENQCMDS above CPL 0 (C-03). `nil`: load the source.
    @inlinable
    public mutating func decode(on processor: LogicalProcessor) -> ProcessorException? {
        precondition(currentStep == .fetched, "an instruction is decoded once")
        let needed: ProcessorFeatures = kind == .movdir64b ? .movdir64b : .enqcmd
        guard processor.features.contains(needed) else { return abandon(.invalidOpcode(.notEnumerated)) }
        guard !hasLockPrefix else { return abandon(.invalidOpcode(.lockPrefix)) }
        guard kind != .enqcmds || processor.privilegeLevel == .supervisor else {
            return abandon(.generalProtection(.privilegeLevel))
        }
        currentStep = .loadingSource
        return nil
    }

    /// Checks the operands, in the order of virtualization §2.4, now that the source is loaded.
    ///
    /// In non-root mode without PASID translation a guest's PASID goes to the wire as it is; the machine maps no portal
    /// into such a VM (V-13).
    ///
    /// - Parameters:
    ///   - source: The source's first word.
    ///   - controls: Those of the current VMCS; without effect in native mode.
    @inlinable
    public mutating func checkOperands(
        source: EnqueueCommandWord, on processor: LogicalProcessor,
        controls: SecondaryProcessorControls = []
    ) -> OperandCheck {
        precondition(currentStep == .loadingSource, "operands are checked once the source is loaded")
        word = source
        if let cause = operandFault(source: source, register: processor.ia32PASID) {
            currentStep = .abandoned
            return .exception(.generalProtection(cause))
        }
        let translates = kind != .movdir64b && processor.isNonRoot && controls.contains(.pasidTranslation)
        if translates {
            let guestPASID = kind == .enqcmd ? processor.ia32PASID.guestPASID : source.guestPASID
            currentStep = .translatingPASID(guestPASID)
            return .translatePASID(guestPASID)
        }
        switch kind {
        case .enqcmd: word = source.enqcmdCommand(pasid: processor.ia32PASID.hostPASID)
        case .enqcmds: word = source.enqcmdsCommand(pasid: source.hostPASID)
        case .movdir64b: break
        }
        currentStep = .translatingDestination
        return .translateDestination
    }

    /// Takes the result of the walk. `nil`: translate the destination. Otherwise the processor leaves non-root mode
    /// with the exit returned, reason 72 or 73, and nothing has changed (V-03, V-05).
    @inlinable
    public mutating func finishPASIDTranslation(_ translation: PASIDTranslation) -> VMExit? {
        guard case .translatingPASID = currentStep else { preconditionFailure("no PASID is being translated") }
        guard case .translated(let hostPASID) = translation else {
            currentStep = .abandoned
            return VMExit(reason: kind == .enqcmd ? .enqcmd : .enqcmds, instructionLength: kind.byteCount)
        }
        word = kind == .enqcmd ? word.enqcmdCommand(pasid: hostPASID) : word.enqcmdsCommand(pasid: hostPASID)
        currentStep = .translatingDestination
        return nil
    }

    /// The destination is translated: returns the first word of the 64 bytes to write there.
    @inlinable
    public mutating func send() -> EnqueueCommandWord {
        precondition(currentStep == .translatingDestination, "a command is sent once, to a translated destination")
        currentStep = .awaitingCompletion
        return word
    }

    /// Ends ENQCMD or ENQCMDS: RIP moves on, ZF tells that anything but success came back, the other status flags are 0
    /// (C-07, D-06). Returns the flags.
    @inlinable @discardableResult
    public mutating func retire(
        _ completion: DMWrCompletion, on processor: inout LogicalProcessor
    ) -> StatusFlags {
        precondition(currentStep == .awaitingCompletion && kind != .movdir64b, "no DMWr is outstanding")
        currentStep = .retired
        let accepted = completion == .successfulCompletion
        if accepted { processor.counters.accepted &+= 1 } else { processor.counters.retried &+= 1 }
        processor.statusFlags = .afterEnqueue(accepted: accepted)
        processor.instructionPointer = processor.instructionPointer.advanced(by: UInt64(kind.byteCount))
        return processor.statusFlags
    }

    /// Ends MOVDIR64B, whose write is posted: RIP moves on and no flag changes (virtualization §2.7).
    @inlinable
    public mutating func retirePosted(on processor: inout LogicalProcessor) {
        precondition(currentStep == .awaitingCompletion && kind == .movdir64b, "no posted write was sent")
        currentStep = .retired
        processor.counters.posted &+= 1
        processor.instructionPointer = processor.instructionPointer.advanced(by: UInt64(kind.byteCount))
    }

    /// The source or the destination faulted, or its access left non-root mode: the instruction ends without effect.
    @inlinable
    public mutating func abandon() {
        switch currentStep {
        case .loadingSource, .translatingDestination: currentStep = .abandoned
        case .fetched, .translatingPASID, .awaitingCompletion, .retired, .abandoned:
            preconditionFailure("no operand access to fault")
        }
    }

    @usableFromInline
    mutating func abandon(_ exception: ProcessorException) -> ProcessorException {
        currentStep = .abandoned
        return exception
    }

    /// The first #GP(0) cause that applies, `nil` when none does.
    @inlinable
    func operandFault(source: EnqueueCommandWord, register: IA32PASID) -> GeneralProtectionCause? {
        switch kind {
        case .enqcmd:
            guard register.isValid else { return .invalidPASIDRegister }
            guard source.firstDword == 0 else { return .sourceDwordNotZero }
        case .enqcmds:
            guard source.reservedBits == 0 else { return .sourceReservedBits }
        case .movdir64b:
            break
        }
        return destination.rawValue & 63 == 0 ? nil : .misalignedDestination
    }
}
