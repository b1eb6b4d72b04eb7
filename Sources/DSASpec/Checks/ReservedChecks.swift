extension Examination {
    @inline(__always)
    func visitReserved(_ report: (CheckFailure) -> Visit) -> Visit {
        if flags & FlagMask.recordAddressValid == 0, descriptor.word1 != 0 {
            if report(CheckFailure(.completionRecordAddressReserved, bytes: 8...15)) == .stop { return .stop }
        }
        if flags & FlagMask.interrupt == 0, descriptor.completionInterruptHandle != 0 {
            if report(CheckFailure(.interruptHandleReserved, bytes: 36...37)) == .stop { return .stop }
        }
        let always = rule.reserved
        let byFlags = rule.reservedByFlags
        let nonZero =
            descriptor.word2 & (always.word2 | byFlags.word2) | descriptor.word3 & (always.word3 | byFlags.word3)
            | descriptor.word4 & (always.word4 | byFlags.word4) | descriptor.word5 & (always.word5 | byFlags.word5)
            | descriptor.word6 & (always.word6 | byFlags.word6) | descriptor.word7 & (always.word7 | byFlags.word7)
            | descriptor.word5 & rule.reservedDIFFlags
        guard nonZero != 0 else { return .proceed }
        if visitBytes(always, .reservedByte, report) == .stop { return .stop }
        if visitBytes(ReservedBytes(word5: rule.reservedDIFFlags), .reservedDIFFlag, report) == .stop { return .stop }
        return visitBytes(byFlags, .byteReservedByFlag, report)
    }

    /// Reports each word that has reserved bits set, with the bytes from its first to its last such bit.
    @inline(never)
    private func visitBytes(
        _ reserved: ReservedBytes, _ rule: CheckRule, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        for word in 2..<8 {
            let mask =
                switch word {
                case 2: reserved.word2
                case 3: reserved.word3
                case 4: reserved.word4
                case 5: reserved.word5
                case 6: reserved.word6
                default: reserved.word7
                }
            let bits = descriptor[word: word] & mask
            guard bits != 0 else { continue }
            let first = word * 8 + bits.trailingZeroBitCount / 8
            let last = word * 8 + 7 - bits.leadingZeroBitCount / 8
            let bytes = UInt8(truncatingIfNeeded: first)...UInt8(truncatingIfNeeded: last)
            if report(CheckFailure(rule, bytes: bytes)) == .stop { return .stop }
        }
        return .proceed
    }
}
