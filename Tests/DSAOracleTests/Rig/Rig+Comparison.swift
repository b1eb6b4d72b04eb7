import DSA
import DSAOracle
import DSASpec
import PCIe

/// What device and model did with the same case.
struct Comparison {
    let outcome: Outcome
    /// In what they differ; `nil` when the reference allows what the device did.
    var difference: String?
    /// How many of the answers were allowed, but not the suggested ones.
    var unsuggestedCount = 0
    /// Whether the device wrote anything, or reported anything.
    var status: UInt8 { outcome.status }
}

extension Rig {
    /// Runs `testCase` on both sides, compares, and puts everything back.
    ///
    /// - Parameter checksAll: Whether the spaces that the case does not name are compared too.
    func compare(_ testCase: DescriptorCase, checksAll: Bool) -> Comparison {
        let space = spaces[testCase.space]
        for change in testCase.pages {
            space.set(change.kind, page: change.page)
            invalidate(space, page: change.page)
        }
        for preset in testCase.presets { space.model.put(preset.bytes, at: preset.address) }
        for page in space.model.touchedPages { space.copyToDevice(page: page) }
        let recordCount = device.recordCount

        let outcome = oracles[testCase.queue].run(testCase.descriptor.bytes, on: space.model)
        submit(testCase.descriptor.bytes, to: testCase.queue)

        var comparison = Comparison(outcome: outcome)
        comparison.difference =
            differenceOfRecords(in: space, &comparison, writtenCount: Int(device.recordCount - recordCount))
            ?? differenceOfErrors(outcome) ?? differenceOfInterrupts(outcome)
            ?? differenceOfMemory(space, outcome, checksAll: checksAll)
        clearReports()
        restore(testCase, space: space, entirely: comparison.difference != nil)
        return comparison
    }

    private func restore(_ testCase: DescriptorCase, space: Space, entirely: Bool) {
        let touched = space.model.touchedPages
        space.model.undo()
        if entirely {
            for space in spaces { space.copyAllToDevice() }
        } else {
            for page in touched { space.copyToDevice(page: page) }
        }
        for change in testCase.pages {
            space.set(.readWrite, page: change.page)
            invalidate(space, page: change.page)
        }
    }
}

// MARK: Differences

extension Rig {
    /// Compares the records, and takes the device's over where they are allowed.
    private func differenceOfRecords(in space: Space, _ comparison: inout Comparison, writtenCount: Int) -> String? {
        guard !device.hasWork else { return "the device has not ended the descriptor" }
        let outcome = comparison.outcome
        guard writtenCount == outcome.records.count else {
            return "\(writtenCount) records written, not \(outcome.records.count): "
                + "\(outcome.records.map(\.endings)); SWERROR \(errorText)"
        }
        for site in outcome.records {
            let range = site.offset..<site.offset + 32
            let overwritten = space.model.storedOffsets(in: range, since: site.journalCount)
            defer {
                for offset in range where !overwritten.contains(offset) {
                    space.model.put(space.byte(atOffset: offset), atOffset: offset)
                }
            }
            // What another member wrote over can no longer be judged.
            guard overwritten.isEmpty else { continue }
            let found = space.record(atOffset: site.offset)
            guard let choice = site.endings.firstIndex(where: { $0.permits(found) }) else {
                return "record \(text(found)) where \(site.endings) are allowed"
            }
            if choice > 0 {
                // The reference suggests an order of the checks; the device keeps to it.
                guard outcome.defects.isEmpty else {
                    return "record \(text(found)) although the order has \(outcome.defects)"
                }
                comparison.unsuggestedCount += 1
            }
        }
        return nil
    }

    private func differenceOfErrors(_ outcome: Outcome) -> String? {
        configuration.usesEventLog ? differenceOfLog(outcome) : differenceOfRegister(outcome)
    }

    /// Every error has its entry, in order; SWERROR has nothing.
    private func differenceOfLog(_ outcome: Outcome) -> String? {
        guard !device.softwareError.isValid else { return "SWERROR \(errorText) beside an event log" }
        var expected = outcome.errors[...]
        for entry in logEntries {
            while let next = expected.first, next.contains(where: \.isOptional),
                !next.contains(where: { $0.permitsEntry(entry.words, record: entry.record) })
            {
                expected.removeFirst()
            }
            guard let next = expected.popFirst() else { return "entry \(entry) where none is expected" }
            guard next.contains(where: { $0.permitsEntry(entry.words, record: entry.record) }) else {
                return "entry \(entry) where \(next.map(\.text)) is logged"
            }
        }
        let missing = expected.filter { !$0.contains(where: \.isOptional) }
        return missing.isEmpty ? nil : "no entry for \(missing.map { $0.map(\.text) })"
    }

    private func differenceOfRegister(_ outcome: Outcome) -> String? {
        let error = device.softwareError
        let expected = outcome.errors.filter { !$0.contains(where: \.isOptional) }
        guard let first = outcome.errors.first else {
            return error.isValid ? "SWERROR \(errorText) where nothing is reported" : nil
        }
        guard error.isValid else {
            return expected.isEmpty ? nil : "nothing in SWERROR where \(first.map(\.text)) is reported"
        }
        let words = (error.word0, error.word1, error.word2, error.word3)
        let candidates = first.contains(where: \.isOptional) ? outcome.errors.flatMap { $0 } : first
        guard let choice = candidates.firstIndex(where: { $0.permits(words) }) else {
            return "SWERROR \(errorText) where \(candidates.map(\.text)) is reported"
        }
        if choice > 0, !outcome.defects.isEmpty, outcome.errors.count == 1, !first[0].isOptional {
            return "SWERROR \(errorText) although the order has \(outcome.defects)"
        }
        let couldOverflow = outcome.errors.count > 1
        guard error.overflow == (expected.count > 1) || couldOverflow && expected.count < outcome.errors.count else {
            return "SWERROR Overflow is \(error.overflow) after \(expected.count) errors"
        }
        return nil
    }

    private func differenceOfInterrupts(_ outcome: Outcome) -> String? {
        interrupts == outcome.interrupts ? nil : "interrupts \(interrupts), not \(outcome.interrupts)"
    }

    private func differenceOfMemory(_ space: Space, _ outcome: Outcome, checksAll: Bool) -> String? {
        if let offset = space.firstDifference(loose: outcome.looseBytes) {
            let page = offset / OracleMemory.pageByteCount
            let address = space.model.address(ofPage: page) + UInt64(offset % OracleMemory.pageByteCount)
            return "byte at \(hexadecimal(address)) is \(space.byte(atOffset: offset)), "
                + "not \(space.model.bytes[offset]); expected \(outcome.records.map(\.endings))"
        }
        guard checksAll else { return nil }
        for other in spaces where other !== space {
            guard let offset = other.firstDifference(loose: [:]) else { continue }
            return "byte \(offset) of PASID \(other.pasid.rawValue) was changed on behalf of \(space.pasid.rawValue)"
        }
        return areCanariesIntact ? nil : "memory of nobody was changed"
    }

    private var errorText: String {
        let error = device.softwareError
        return text((error.word0, error.word1, error.word2, error.word3))
    }
}

private func text(_ words: (UInt64, UInt64, UInt64, UInt64)) -> String {
    [words.0, words.1, words.2, words.3].map { hexadecimal($0) }.joined(separator: " ")
}

extension ReportedError {
    fileprivate var text: String { "\(hexadecimal(word0)) member \(batchIndex) at \(hexadecimal(faultAddress))" }
}
