// Create and Apply Delta Record: dsa-device §4.3.

extension OperationRun {
    func createDelta() -> [Ending] {
        let (source1, source2) = (descriptor.first, descriptor.second)
        let (record, maximum) = (descriptor[40, 8], descriptor[48, 4])
        let sources = [Operand.read(source1), .read(source2, number: 2)]
        var recordSize: UInt64 = 0
        for offset in stride(from: 0, to: descriptor.size, by: 8) {
            let fault = Ending(0, result: recordSize == 0 ? 0 : 1, bytesCompleted: offset, low: recordSize)
            // Blocks are aligned, so each lies in one page.
            guard canAccess(sources, at: offset) else { return faults(sources, at: offset, as: fault) }
            let block = bytes(at: source2 &+ offset, count: 8)
            guard block != bytes(at: source1 &+ offset, count: 8) else { continue }
            guard recordSize + 10 <= maximum else {
                return [deltaCompletion(result: 2, recordSize: recordSize, bytesCompleted: offset)]
            }
            let entries = Operand.write(record)
            if let refused = firstRefused(entries, from: recordSize, count: 10) {
                return faults([entries], at: refused, as: fault)
            }
            let units = offset / 8
            store([UInt8(units & 0xFF), UInt8(units >> 8)] + block, at: record + recordSize)
            recordSize += 10
        }
        return [deltaCompletion(result: recordSize == 0 ? 0 : 1, recordSize: recordSize, bytesCompleted: 0)]
    }

    private func deltaCompletion(result: UInt8, recordSize: UInt64, bytesCompleted: UInt64) -> Ending {
        let isExpected = descriptor.bytes[56] >> result & 1 == 1
        let status: UInt8 = descriptor.hasFlag(Flag.checkResult) && !isExpected ? 0x02 : 0x01
        return Ending(status, result: result, bytesCompleted: bytesCompleted, low: recordSize)
    }

    func applyDelta() -> [Ending] {
        let (record, destination) = (descriptor.first, descriptor.second)
        var last: UInt64?
        for done in stride(from: UInt64(0), through: descriptor[40, 4] - 10, by: 10) {
            let entries = Operand.read(record)
            let refused = firstRefused(entries, from: done, count: 10)
            let unreadable = refused.map { faults([entries], at: $0, as: Ending(0, bytesCompleted: done)) } ?? []
            // With a readable offset and an unreadable rest, either may be found first.
            guard refused.map({ $0 >= done + 2 }) ?? true else { return unreadable }
            let offsetBytes = bytes(at: record + done, count: 2)
            let units = UInt64(offsetBytes[0]) | UInt64(offsetBytes[1]) << 8
            if let last, units <= last { return unreadable + [Ending(0x07, bytesCompleted: done)] }
            if units * 8 >= descriptor.size { return unreadable + [Ending(0x08, bytesCompleted: done)] }
            guard unreadable.isEmpty else { return unreadable }
            let target = Operand.write(destination)
            guard canAccess([target], at: units * 8) else {
                return faults([target], at: units * 8, as: Ending(0, bytesCompleted: done))
            }
            store(bytes(at: record + done + 2, count: 8), at: destination + units * 8)
            last = units
        }
        return [Ending(0x01)]
    }
}
