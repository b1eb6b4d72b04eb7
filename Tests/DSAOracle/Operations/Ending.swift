/// How a descriptor may end: what its completion record says, and which bits of it may be anything.
package struct Ending: Sendable, Equatable {
    /// Bytes 0-31 as little-endian words.
    package var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    /// The bits of ``words`` that the reference leaves open.
    package var open: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
    /// With 0x11, the flags of which Invalid Flags names at least one.
    package var offendingFlags: UInt32 = 0
    /// With a fault: which operand's access it was (byte 2 of the record, DSA 2.0).
    package var operand: UInt8 = 0

    package init(_ status: UInt8, result: UInt8 = 0, bytesCompleted: UInt64 = 0, low: UInt64 = 0, high: UInt64 = 0) {
        words.0 = UInt64(status) | UInt64(result) << 8 | bytesCompleted << 32
        words.2 = low
        words.3 = high
    }

    package static func == (left: Self, right: Self) -> Bool {
        left.words == right.words && left.open == right.open && left.offendingFlags == right.offendingFlags
    }

    package var status: UInt8 { UInt8(truncatingIfNeeded: words.0 & 0x3F) }
    package var isWrite: Bool { words.0 & 0x80 != 0 }
    package var faultAddress: UInt64 { words.1 }

    /// Codes with which no record is written unless it was requested (dsa-device §2.2).
    var isQuiet: Bool { [0x01, 0x02, 0x05].contains(status) }

    /// Whether a record of these words is this one.
    package func permits(_ record: (UInt64, UInt64, UInt64, UInt64)) -> Bool {
        if offendingFlags != 0 {
            let named = UInt32(truncatingIfNeeded: record.2)
            guard named != 0, named & ~offendingFlags == 0, record.2 >> 24 == 0 else { return false }
        }
        let openFlags: UInt64 = offendingFlags == 0 ? 0 : 0xFF_FFFF
        return (record.0 ^ words.0) & ~open.0 == 0 && (record.1 ^ words.1) & ~open.1 == 0
            && (record.2 ^ words.2) & ~(open.2 | openFlags) == 0 && (record.3 ^ words.3) & ~open.3 == 0
    }
}

extension Ending {
    /// The ending with a fault's address and direction.
    func faulting(at address: UInt64, isWrite: Bool, operand: UInt8) -> Ending {
        var ending = self
        ending.words.0 |= isWrite ? 0x80 : 0
        ending.words.1 = address
        ending.operand = operand
        return ending
    }

    /// The ending with the operand of a page fault in byte 2 (dsa-device §2.1).
    func withFaultInfo() -> Ending {
        guard [0x03, 0x04, 0x06, 0x1F].contains(status) else { return self }
        var ending = self
        ending.words.0 |= UInt64(operand) << 17
        return ending
    }

    /// The ending with Bytes Completed and everything that depends on the operation open: errors of which the
    /// specification says nothing but the code (dsa-device §2.4, last row).
    func undefinedBeyondCode() -> Ending {
        var ending = self
        ending.words.0 &= 0x3F
        ending.words.1 = 0
        ending.open = (0xFFFF_FFFF_0000_FF80, .max, .max, .max)
        return ending
    }
}

extension Ending: CustomStringConvertible {
    package var description: String {
        let flags = offendingFlags == 0 ? "" : ", flags of 0x\(String(offendingFlags, radix: 16))"
        let isOpen = (open.0 | open.1 | open.2 | open.3) != 0
        return "(\(text(words))\(flags)\(isOpen ? ", open \(text(open))" : ""))"
    }

    private func text(_ words: (UInt64, UInt64, UInt64, UInt64)) -> String {
        [words.0, words.1, words.2, words.3].map { "0x" + String($0, radix: 16) }.joined(separator: " ")
    }
}
