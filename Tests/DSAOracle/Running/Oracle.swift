/// The device as the reference words it, one byte after the other.
///
/// It knows nothing of the product: descriptors are 64 bytes, memory is pages of bytes, and what comes out is what the
/// reference lets a device answer.
package struct Oracle: Sendable {
    package var context: OracleContext

    package init(context: OracleContext) {
        self.context = context
    }

    /// Carries out a descriptor that the WQ accepted, on the address space of its PASID.
    package func run(_ bytes: [UInt8], on memory: OracleMemory) -> Outcome {
        let descriptor = RawDescriptor(bytes)
        let submitted = Submitted(
            descriptor: descriptor, pasid: context.isShared ? descriptor.pasid : context.pasid,
            isPrivileged: context.isShared ? descriptor.isPrivileged : context.isPrivileged, memberIndex: nil)
        var outcome = Outcome()
        let status = carryOut(submitted, on: memory, into: &outcome)
        outcome.setStatus(status)
        return outcome
    }

    /// One descriptor from its checks to its record. Returns its status.
    private func carryOut(_ submitted: Submitted, on memory: OracleMemory, into outcome: inout Outcome) -> UInt8 {
        let search = DefectSearch(
            descriptor: submitted.descriptor, context: context, isMember: submitted.memberIndex != nil,
            isPrivileged: submitted.isPrivileged, pasid: submitted.pasid)
        defer {
            if search.interrupts {
                outcome.addInterrupt(submitted.descriptor.interruptHandle)
            } else {
                outcome.dropLeftInterrupt()
            }
        }
        let defects = search.defects()
        if !defects.isEmpty {
            let codes = defects.ordered(by: context.checkOrder)
            if submitted.memberIndex == nil { outcome.setDefects(codes) }
            let endings = codes.map { code in
                var ending = Ending(code)
                if code == 0x11 { ending.offendingFlags = defects.flags }
                return ending
            }
            let isDiscarded = defects.contains(0x1D) || defects.contains(0x1B)
            return report(
                endings, of: submitted, recordIsPossible: !isDiscarded, stores: 0, interrupts: search.interrupts,
                on: memory, into: &outcome)
        }
        let storesBefore = memory.journal.count
        if submitted.descriptor.opcode == Operation.batch {
            var hasRecordInLog = false
            let endings = runBatch(submitted, on: memory, into: &outcome, hasRecordInLog: &hasRecordInLog)
            if hasRecordInLog, isHeardOf(submitted.descriptor) {
                return logRecord(0x27, endings, of: submitted, interrupts: search.interrupts, into: &outcome)
            }
            return report(
                endings, of: submitted, recordIsPossible: true, stores: 0, interrupts: search.interrupts, on: memory,
                into: &outcome)
        }
        let run = OperationRun(
            descriptor: submitted.descriptor, context: context, isPrivileged: submitted.isPrivileged, memory: memory)
        let endings = run.run()
        let isDrain = submitted.descriptor.opcode == Operation.drain
        if isDrain, endings[0].status == 0x01, context.usesEventLog, !context.mayAskForPages,
            isHeardOf(submitted.descriptor)
        {
            return logRecord(0x26, endings, of: submitted, interrupts: search.interrupts, into: &outcome)
        }
        let stores = memory.journal.count - storesBefore
        if [0x20, 0x21, 0x22].contains(endings[0].status) {
            outcome.loosen(memory.journal.suffix(stores))
        }
        return report(
            endings, of: submitted, recordIsPossible: true, stores: stores, interrupts: search.interrupts, on: memory,
            into: &outcome)
    }

    /// Whether anybody hears of the end of a descriptor.
    private func isHeardOf(_ descriptor: RawDescriptor) -> Bool {
        descriptor.isRecordAddressValid || descriptor.hasFlag(Flag.requestInterrupt)
    }
}

// MARK: Reports

extension Oracle {
    /// Writes the record or reports the error (table 2.2). Returns the status that counts for a batch.
    ///
    /// - Parameter stores: How many bytes the descriptor wrote.
    private func report(
        _ endings: [Ending], of submitted: Submitted, recordIsPossible: Bool, stores: Int, interrupts: Bool,
        on memory: OracleMemory, into outcome: inout Outcome
    ) -> UInt8 {
        let descriptor = submitted.descriptor
        let endings = endings.map { context.can(Capability.faultInfo) ? $0.withFaultInfo() : $0 }
        let suggested = endings[0]
        if suggested.isQuiet, !descriptor.isRecordRequested { return suggested.status }
        guard descriptor.isRecordAddressValid, recordIsPossible else {
            outcome.addError(
                endings.map { ending in
                    var error = error(ending, of: submitted)
                    if ending.status == 0x19 { error.logged.endings = [ending] }
                    return error
                })
            return suggested.status
        }
        let address = descriptor.recordAddress
        if let refusal = memory.refusal(at: address, isWrite: true, isPrivileged: submitted.isPrivileged) {
            outcome.loosen(memory.journal.suffix(stores))
            if context.usesEventLog {
                return logRecord(0x1A, endings, of: submitted, interrupts: interrupts, into: &outcome)
            }
            let fault = Ending(0x1A).faulting(at: address, isWrite: true, operand: 5)
            var alternatives = [error(fault, of: submitted)]
            // The reference gives no code of its own for a record that goes to no memory.
            if refusal != .pageFault {
                for code: UInt8 in [0x20, 0x21, 0x22] { alternatives.append(error(Ending(code), of: submitted)) }
            }
            outcome.addError(alternatives)
            return 0x1A
        }
        guard let offset = memory.offset(of: address) else { preconditionFailure("an accessible address") }
        let words = [suggested.words.0, suggested.words.1, suggested.words.2, suggested.words.3]
        for index in 0..<32 {
            memory.store(
                UInt8(truncatingIfNeeded: words[index / 8] >> UInt64(index % 8 * 8)), at: address + UInt64(index))
        }
        outcome.addRecord(
            Outcome.RecordSite(offset: offset, endings: endings, journalCount: memory.journal.count))
        if suggested.status == 0x19 {
            var optional = error(suggested, of: submitted, isOptional: true)
            optional.logged.endings = [suggested]
            outcome.addError([optional])
        }
        return suggested.status
    }

    /// Puts the record of a descriptor into the event log, from which software writes it and interrupts. Returns the
    /// status that counts for a batch.
    private func logRecord(
        _ code: UInt8, _ endings: [Ending], of submitted: Submitted, interrupts: Bool, into outcome: inout Outcome
    ) -> UInt8 {
        let descriptor = submitted.descriptor
        let endings = endings.map { context.can(Capability.faultInfo) ? $0.withFaultInfo() : $0 }
        var logged = Ending(code)
        if code == 0x1A { logged = logged.faulting(at: descriptor.recordAddress, isWrite: true, operand: 5) }
        var error = error(logged, of: submitted)
        var duties = UInt32(descriptor.interruptHandle)
        if interrupts { duties |= 1 << 16 }
        if descriptor.isRecordAddressValid, descriptor.isRecordRequested || !endings[0].isQuiet { duties |= 1 << 18 }
        if code == 0x1A, submitted.memberIndex != nil, !outcome.hasRecordInLog { duties |= 1 << 19 }
        if code == 0x1A, context.can(Capability.faultInfo) { duties |= 5 << 29 }
        error.logged = ReportedError.Logged(
            duties: duties, recordAddress: descriptor.recordAddress, endings: endings)
        outcome.addError([error])
        if code == 0x1A { outcome.noteRecordInLog() }
        if interrupts { outcome.leaveInterrupt() }
        return endings[0].status
    }

    private func error(_ ending: Ending, of submitted: Submitted, isOptional: Bool = false) -> ReportedError {
        let isFault = [0x03, 0x04, 0x06, 0x1A, 0x1F].contains(ending.status)
        /// Valid, Descriptor Valid, WQ Index Valid.
        var word0: UInt64 = 0x0D
        if submitted.memberIndex != nil { word0 |= 0x10 }
        if isFault, ending.isWrite { word0 |= 0x20 }
        if submitted.isPrivileged { word0 |= 0x40 }
        word0 |= UInt64(ending.status) << 8 | UInt64(context.workQueue) << 16
        word0 |= UInt64(submitted.descriptor.opcode) << 32 | UInt64(submitted.pasid) << 40
        return ReportedError(
            word0: word0, batchIndex: UInt16(submitted.memberIndex ?? 0),
            faultAddress: isFault ? ending.faultAddress : 0,
            faultOperand: isFault && context.can(Capability.faultInfo) ? ending.operand : 0,
            saysWhetherValid: context.isGeneration2, offendingFlags: ending.offendingFlags,
            interruptHandle: submitted.descriptor.interruptHandle, isOptional: isOptional)
    }
}

// MARK: Batches

extension Oracle {
    /// Carries out the members in the order of the list (dsa-device §4.6), which is one of the orders allowed.
    private func runBatch(
        _ batch: Submitted, on memory: OracleMemory, into outcome: inout Outcome, hasRecordInLog: inout Bool
    ) -> [Ending] {
        var hasFailure = batch.descriptor.hasFlag(Flag.batchError)
        let reportsFailure = context.can(Capability.batchContinuation)
        for index in 0..<batch.descriptor.size {
            let address = batch.descriptor.first &+ index * 64
            if let refusal = memory.refusal(at: address, isWrite: false, isPrivileged: batch.isPrivileged) {
                let fault = Ending(0x06, result: hasFailure && reportsFailure ? 1 : 0, bytesCompleted: index)
                    .faulting(at: address, isWrite: false, operand: 1)
                let other: UInt8 = refusal == .noMemory ? 0x20 : 0x22
                return refusal == .pageFault ? [fault] : [Ending(other).undefinedBeyondCode(), fault]
            }
            let member = RawDescriptor((0..<64).map { memory.load(address &+ $0) })
            if member.hasFlag(Flag.fence), hasFailure || hasRecordInLog {
                return [Ending(0x05, result: reportsFailure ? 1 : 0, bytesCompleted: index)]
            }
            let status = carryOut(
                Submitted(
                    descriptor: member, pasid: batch.pasid, isPrivileged: batch.isPrivileged,
                    memberIndex: Int(index)),
                on: memory, into: &outcome)
            outcome.countMember()
            hasRecordInLog = outcome.hasRecordInLog
            if status != 0x01 { hasFailure = true }
        }
        return [
            Ending(
                hasFailure ? 0x05 : 0x01, result: hasFailure && reportsFailure ? 1 : 0,
                bytesCompleted: batch.descriptor.size)
        ]
    }
}
