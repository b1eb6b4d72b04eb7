extension Opcode {
    /// The operation's name in the specification, or `nil` for an opcode that it does not define up to DSA 1.0 or that
    /// this reference has no layout of.
    public var name: String? {
        switch self {
        case .noOp: "No-op"
        case .batch: "Batch"
        case .drain: "Drain"
        case .memoryMove: "Memory Move"
        case .fill: "Fill"
        case .compare: "Compare"
        case .comparePattern: "Compare Pattern"
        case .createDeltaRecord: "Create Delta Record"
        case .applyDeltaRecord: "Apply Delta Record"
        case .dualcast: "Dualcast"
        case .translationFetch: "Translation Fetch"
        case .crcGeneration: "CRC Generation"
        case .copyWithCRC: "Copy with CRC Generation"
        case .difCheck: "DIF Check"
        case .difInsert: "DIF Insert"
        case .difStrip: "DIF Strip"
        case .difUpdate: "DIF Update"
        case .cacheFlush: "Cache Flush"
        default: nil
        }
    }
}

extension DescriptorFlags {
    /// The name of flag `bit` in a descriptor of `opcode` (DSA 3.0 table 8-3, §8.3), or `nil` where it has none.
    public static func name(ofBit bit: Int, for opcode: Opcode) -> String? {
        switch bit {
        case 0: "Fence"
        case 1: "Block On Fault"
        case 2: "Completion Record Address Valid"
        case 3: "Request Completion Record"
        case 4: "Request Completion Interrupt"
        case 7: "Check Result"
        case 8: "Cache Control"
        case 9: "Address 1 TC Selector"
        case 10: "Address 2 TC Selector"
        case 11: "Address 3 TC Selector"
        case 12: "Completion Record TC Selector"
        case 13: "Strict Ordering"
        case 14: "Destination Readback"
        case 16...23: operationName(ofBit: bit, for: opcode)
        default: nil
        }
    }

    private static func operationName(ofBit bit: Int, for opcode: Opcode) -> String? {
        switch (opcode, bit) {
        case (.batch, 16): "Batch Error"
        case (.drain, 16): "Readback Address 1 Valid"
        case (.drain, 17): "Readback Address 2 Valid"
        case (.drain, 18): "Suppress Implicit Readback on TC-A"
        case (.drain, 19): "Suppress Implicit Readback on TC-B"
        case (.fill, 18): "Pattern Size 16"
        case (.translationFetch, 16): "Use Stride"
        case (.crcGeneration, 16), (.copyWithCRC, 16): "Read CRC Seed"
        case (.crcGeneration, 17), (.copyWithCRC, 17): "Bypass CRC Inversion and Reflection"
        case (.crcGeneration, 18), (.copyWithCRC, 18): "Bypass Data Reflection"
        case (.crcGeneration, 19), (.copyWithCRC, 19): "CRC64"
        default: nil
        }
    }

    /// The name of every flag that is set, from bit 0 up; a flag without a name is `bit N`.
    public func names(for opcode: Opcode) -> [String] {
        (0..<24).filter { rawValue >> UInt32($0) & 1 == 1 }.map { bit in
            Self.name(ofBit: bit, for: opcode) ?? "bit \(bit)"
        }
    }
}
