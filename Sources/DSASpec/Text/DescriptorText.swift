import PCIe

/// Decodes a descriptor into named fields (DSA 3.0 §8.1, §8.3).
public enum DescriptorText {
    /// Every field of `descriptor`, by its operation's layout, in the order of its bytes. Bytes that the layout leaves
    /// out, and those of an opcode without a layout, appear only when they are not 0.
    public static func fields(of descriptor: Descriptor) -> [FieldText] {
        let opcode = descriptor.opcode
        var fields = [
            FieldText("PASID", bytes: 0...3, value: hexadecimal(UInt64(descriptor.pasid.rawValue))),
            FieldText(
                "Priv", bytes: 3...3, value: descriptor.isPrivileged ? "1" : "0",
                meaning: descriptor.isPrivileged ? "supervisor" : "user"),
            FieldText(
                "Flags", bytes: 4...6, value: hexadecimal(UInt64(descriptor.flags.rawValue), digits: 6),
                meaning: descriptor.flags.names(for: opcode).joined(separator: ", ")),
            FieldText(
                "Operation", bytes: 7...7, value: hexadecimal(UInt64(opcode.rawValue), digits: 2),
                meaning: opcode.name ?? "undefined"),
            FieldText(
                "Completion Record Address", bytes: 8...15,
                value: hexadecimal(descriptor.completionRecordAddress.rawValue)),
        ]
        let operands = layout(of: descriptor)
        let interruptHandle = Operand("Completion Interrupt Handle", 36, 2, .count)
        fields += (operands + [interruptHandle]).sorted { $0.offset < $1.offset }.map { $0.text(in: descriptor) }
        let covered = Set((operands + [interruptHandle]).flatMap { $0.offset..<$0.offset + $0.byteCount })
        fields += reserved(in: descriptor, outside: covered)
        return fields.enumerated()
            .sorted { ($0.element.bytes.lowerBound, $0.offset) < ($1.element.bytes.lowerBound, $1.offset) }
            .map(\.element)
    }

    /// Runs of non-zero bytes from 16 up that no field covers.
    private static func reserved(in descriptor: Descriptor, outside covered: Set<Int>) -> [FieldText] {
        var fields: [FieldText] = []
        var byte = 16
        while byte < Descriptor.byteCount {
            guard !covered.contains(byte), descriptor.byte(byte) != 0 else {
                byte += 1
                continue
            }
            let first = byte
            var value = ""
            while byte < Descriptor.byteCount, !covered.contains(byte), descriptor.byte(byte) != 0 {
                value += hexadecimal(UInt64(descriptor.byte(byte)), digits: 2).dropFirst(2)
                byte += 1
            }
            fields.append(
                FieldText(
                    descriptor.opcode.name == nil ? "Bytes" : "Reserved", bytes: first...byte - 1, value: value,
                    meaning: "in memory order"))
        }
        return fields
    }

    private struct Operand {
        enum Form {
            case hexadecimal
            case count
            case difFlags
            case sourceDIFFlags
            case destinationDIFFlags
        }

        let name: String
        let offset: Int
        let byteCount: Int
        let form: Form

        init(_ name: String, _ offset: Int, _ byteCount: Int, _ form: Form = .hexadecimal) {
            self.name = name
            self.offset = offset
            self.byteCount = byteCount
            self.form = form
        }

        func text(in descriptor: Descriptor) -> FieldText {
            var value: UInt64 = 0
            for byte in (0..<byteCount).reversed() {
                value = value << 8 | UInt64(descriptor.byte(offset + byte))
            }
            return FieldText(
                name, bytes: offset...offset + byteCount - 1,
                value: form == .count ? String(value) : hexadecimal(value), meaning: meaning(of: value))
        }

        private func meaning(of value: UInt64) -> String {
            let byte = UInt8(truncatingIfNeeded: value)
            let names: [String] =
                switch form {
                case .hexadecimal, .count: []
                case .difFlags: DIFFlags(rawValue: byte).names
                case .sourceDIFFlags: SourceDIFFlags(rawValue: byte).names
                case .destinationDIFFlags: DestinationDIFFlags(rawValue: byte).names
                }
            return names.joined(separator: ", ")
        }
    }

    private static let source = Operand("Source Address", 16, 8)
    private static let destination = Operand("Destination Address", 24, 8)
    private static let transferSize = Operand("Transfer Size", 32, 4, .count)
    private static let difFlags = Operand("DIF Flags", 42, 1, .difFlags)
    private static let sourceDIFFlags = Operand("Source DIF Flags", 40, 1, .sourceDIFFlags)
    private static let destinationDIFFlags = Operand("Destination DIF Flags", 41, 1, .destinationDIFFlags)

    private static func crcSeed(isWide: Bool) -> [Operand] {
        [Operand("CRC Seed", 40, isWide ? 8 : 4), Operand("CRC Seed Address", 48, 8)]
    }

    private static func tags(_ side: String, at offset: Int) -> [Operand] {
        [
            Operand("\(side) Reference Tag Seed", offset, 4),
            Operand("\(side) Application Tag Mask", offset + 4, 2),
            Operand("\(side) Application Tag Seed", offset + 6, 2),
        ]
    }

    private static func layout(of descriptor: Descriptor) -> [Operand] {
        let crcSeed = crcSeed(isWide: descriptor.flags.contains(.crc64))
        return switch descriptor.opcode {
        case .noOp:
            []
        case .batch:
            [Operand("Descriptor List Address", 16, 8), Operand("Descriptor Count", 32, 4, .count)]
        case .drain:
            [Operand("Readback Address 1", 16, 8), Operand("Readback Address 2", 24, 8)]
        case .memoryMove:
            [source, destination, transferSize]
        case .fill:
            [Operand("Pattern", 16, 8), destination, transferSize]
                + (descriptor.flags.contains(.widePattern) ? [Operand("Pattern, Upper Half", 40, 8)] : [])
        case .compare:
            [
                Operand("Source 1 Address", 16, 8), Operand("Source 2 Address", 24, 8), transferSize,
                Operand("Expected Result", 40, 1),
            ]
        case .comparePattern:
            [source, Operand("Pattern", 24, 8), transferSize, Operand("Expected Result", 40, 1)]
        case .createDeltaRecord:
            [
                Operand("Source 1 Address", 16, 8), Operand("Source 2 Address", 24, 8), transferSize,
                Operand("Delta Record Address", 40, 8), Operand("Maximum Delta Record Size", 48, 4, .count),
                Operand("Expected Result Mask", 56, 1),
            ]
        case .applyDeltaRecord:
            [
                Operand("Delta Record Address", 16, 8), destination, transferSize,
                Operand("Delta Record Size", 40, 4, .count),
            ]
        case .dualcast:
            [source, Operand("Destination 1 Address", 24, 8), transferSize, Operand("Destination 2 Address", 40, 8)]
        case .translationFetch:
            [Operand("Address", 16, 8), Operand("Region Size", 32, 4, .count), Operand("Region Stride", 48, 4, .count)]
        case .crcGeneration:
            [source, transferSize] + crcSeed
        case .copyWithCRC:
            [source, destination, transferSize] + crcSeed
        case .difCheck:
            [source, transferSize, sourceDIFFlags, difFlags] + tags("Source", at: 48)
        case .difInsert:
            [source, destination, transferSize, destinationDIFFlags, difFlags] + tags("Destination", at: 56)
        case .difStrip:
            [source, destination, transferSize, sourceDIFFlags, difFlags] + tags("Source", at: 48)
        case .difUpdate:
            [source, destination, transferSize, sourceDIFFlags, destinationDIFFlags, difFlags]
                + tags("Source", at: 48) + tags("Destination", at: 56)
        case .cacheFlush:
            [destination, transferSize]
        default:
            []
        }
    }
}
