/// One descriptor without a defect, while it is carried out.
struct OperationRun {
    let descriptor: RawDescriptor
    let context: OracleContext
    let isPrivileged: Bool
    let memory: OracleMemory

    /// A buffer of the descriptor.
    struct Operand {
        let address: UInt64
        let isWrite: Bool
        /// The operand's number in Fault Info (dsa-device §2.1).
        let number: UInt8

        static func read(_ address: UInt64, number: UInt8 = 1) -> Operand {
            Operand(address: address, isWrite: false, number: number)
        }

        static func write(_ address: UInt64, number: UInt8 = 3) -> Operand {
            Operand(address: address, isWrite: true, number: number)
        }
    }

    /// Carries the descriptor out. The first ending is the suggested one; the reference allows each.
    func run() -> [Ending] {
        switch descriptor.opcode {
        case Operation.noOp: [Ending(0x01)]
        case Operation.drain: drain()
        case Operation.move: move()
        case Operation.fill: fill()
        case Operation.compare: compare()
        case Operation.comparePattern: comparePattern()
        case Operation.createDelta: createDelta()
        case Operation.applyDelta: applyDelta()
        case Operation.dualcast: dualcast()
        case Operation.crc: computeCRC(copiesTo: nil)
        case Operation.copyCRC: computeCRC(copiesTo: descriptor.second)
        case Operation.difCheck: checkDIF()
        case Operation.difInsert: insertDIF()
        case Operation.difStrip: stripDIF()
        case Operation.difUpdate: updateDIF()
        case Operation.cacheFlush: flush()
        case Operation.translationFetch: fetchTranslations()
        default: preconditionFailure("operation \(descriptor.opcode) has a row but no meaning")
        }
    }
}

// MARK: Accesses

extension OperationRun {
    /// Why byte `index` of the operand cannot be accessed.
    private func refusal(_ operand: Operand, at index: UInt64) -> Refusal? {
        // Nothing says that addresses begin again behind the last one.
        guard operand.address <= .max - index else { return .nonCanonical }
        return memory.refusal(at: operand.address + index, isWrite: operand.isWrite, isPrivileged: isPrivileged)
    }

    /// Whether byte `index` of every operand can be accessed.
    func canAccess(_ operands: [Operand], at index: UInt64) -> Bool {
        operands.allSatisfy { refusal($0, at: index) == nil }
    }

    /// Whether byte `index` of the operand has a translation, whatever answers there.
    func canTranslate(_ operand: Operand, at index: UInt64) -> Bool {
        switch refusal(operand, at: index) {
        case nil, .noMemory: true
        case .pageFault, .nonCanonical, .unboundPASID: false
        }
    }

    /// The endings when byte `index` of some of the operands cannot be accessed: one for each, because which of them
    /// is reported is not defined (dsa-device §2.4).
    func faults(_ operands: [Operand], at index: UInt64, as ending: Ending) -> [Ending] {
        operands.flatMap { operand -> [Ending] in
            refusal(operand, at: index).map { endings(of: $0, at: operand.address &+ index, operand, as: ending) } ?? []
        }
    }

    /// The endings for one refused access. The status of `ending` is replaced.
    private func endings(
        of refusal: Refusal, at address: UInt64, _ operand: Operand, as ending: Ending
    ) -> [Ending] {
        func with(_ status: UInt8) -> Ending {
            var changed = ending
            changed.words.0 = changed.words.0 & ~0x3F | UInt64(status)
            return changed
        }
        // Whoever is asked for the page refuses.
        let code: UInt8 = descriptor.hasFlag(Flag.blockOnFault) ? 0x04 : 0x03
        let fault = with(code).faulting(at: address, isWrite: operand.isWrite, operand: operand.number)
        let translation = with(0x22).undefinedBeyondCode()
        return switch refusal {
        case .pageFault: [fault]
        // Whether an address that no table can hold is a page fault or an error of the translation is not stated.
        case .nonCanonical: [translation, fault]
        case .unboundPASID: [translation]
        case .noMemory: [with(operand.isWrite ? 0x21 : 0x20).undefinedBeyondCode()]
        }
    }

    /// The first of `count` bytes from byte `start` on that cannot be accessed.
    func firstRefused(_ operand: Operand, from start: UInt64, count: UInt64) -> UInt64? {
        (start..<start + count).first { !canAccess([operand], at: $0) }
    }

    func bytes(at address: UInt64, count: UInt64) -> [UInt8] {
        (0..<count).map { memory.load(address &+ $0) }
    }

    func store(_ bytes: [UInt8], at address: UInt64) {
        for (index, byte) in bytes.enumerated() { memory.store(byte, at: address &+ UInt64(index)) }
    }
}
