/// The 32 bytes of a completion record as software reads them (dsa-device §2.1).
package struct RecordBytes: Sendable, Equatable {
    package let words: (UInt64, UInt64, UInt64, UInt64)

    package init(_ words: (UInt64, UInt64, UInt64, UInt64)) {
        self.words = words
    }

    package static func == (left: Self, right: Self) -> Bool { left.words == right.words }

    package var status: UInt8 { UInt8(truncatingIfNeeded: words.0 & 0x3F) }
    package var result: UInt8 { UInt8(truncatingIfNeeded: words.0 >> 8) }
    package var bytesCompleted: UInt64 { words.0 >> 32 }
    package var faultAddress: UInt64 { words.1 }
    package var isWrite: Bool { words.0 & 0x80 != 0 }

    /// 0x03 and 0x04: the rest may be submitted again.
    package var isPartial: Bool { [0x03, 0x04].contains(status) }
}
