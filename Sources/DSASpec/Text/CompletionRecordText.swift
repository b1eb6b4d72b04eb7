import PCIe

/// Decodes a completion record into named fields (DSA 3.0 §8.2).
public enum CompletionRecordText {
    /// The fields of `record` that mean something for its status and, where it is known, the operation.
    public static func fields(of record: CompletionRecord, for opcode: Opcode?) -> [FieldText] {
        let status = record.status
        var fields = [
            FieldText(
                "Status", bytes: 0...0, value: hexadecimal(UInt64(status.rawValue), digits: 2),
                meaning: status.meaning ?? "undefined")
        ]
        guard status != .none else { return fields }
        if status.isPageFault {
            fields.append(
                FieldText(
                    "R/W", bytes: 0...0, value: record.faultWasWrite ? "1" : "0",
                    meaning: record.faultWasWrite ? "the faulting access was a write" : "the faulting access was a read"
                ))
        }
        fields.append(resultField(of: record, for: opcode))
        fields.append(
            FieldText(
                opcode == .batch ? "Descriptors Completed" : "Bytes Completed", bytes: 4...7,
                value: String(record.bytesCompleted), meaning: completed(of: record, for: opcode)))
        if status.isPageFault {
            fields.append(
                FieldText("Fault Address", bytes: 8...15, value: hexadecimal(record.faultAddress.rawValue)))
        }
        if status == .invalidFlags {
            fields.append(
                FieldText(
                    "Invalid Flags", bytes: 16...18,
                    value: hexadecimal(UInt64(record.invalidFlags.rawValue), digits: 6),
                    meaning: record.invalidFlags.names(for: opcode ?? .noOp).joined(separator: ", ")))
        } else {
            fields += results(of: record, for: opcode)
        }
        return fields
    }

    /// What the operation itself returns from byte 16 on.
    private static func results(of record: CompletionRecord, for opcode: Opcode?) -> [FieldText] {
        switch opcode {
        case .crcGeneration, .copyWithCRC:
            [crcValue(of: record)]
        case .createDeltaRecord:
            [FieldText("Delta Record Size", bytes: 16...19, value: String(record.deltaRecordSize))]
        case .difCheck, .difStrip:
            tags("Source", record.sourceDIFTags, at: 16)
        case .difInsert:
            tags("Destination", record.destinationDIFTags, at: 24)
        case .difUpdate:
            tags("Source", record.sourceDIFTags, at: 16) + tags("Destination", record.destinationDIFTags, at: 24)
        default:
            []
        }
    }

    /// The record does not say whether its CRC has 32 or 64 bits; of 32 the others are written as 0.
    private static func crcValue(of record: CompletionRecord) -> FieldText {
        record.crc64Value >> 32 == 0
            ? FieldText("CRC Value", bytes: 16...19, value: hexadecimal(record.crc64Value, digits: 8))
            : FieldText("CRC Value", bytes: 16...23, value: hexadecimal(record.crc64Value, digits: 16))
    }

    private static func tags(_ side: String, _ tags: DIFTags, at offset: Int) -> [FieldText] {
        [
            FieldText(
                "\(side) Reference Tag", bytes: offset...offset + 3,
                value: hexadecimal(UInt64(tags.reference), digits: 8), meaning: "of the next block"),
            FieldText(
                "\(side) Application Tag Mask", bytes: offset + 4...offset + 5,
                value: hexadecimal(UInt64(tags.applicationMask), digits: 4)),
            FieldText(
                "\(side) Application Tag", bytes: offset + 6...offset + 7,
                value: hexadecimal(UInt64(tags.application), digits: 4), meaning: "of the next block"),
        ]
    }

    private static func resultField(of record: CompletionRecord, for opcode: Opcode?) -> FieldText {
        switch opcode {
        case .difCheck, .difStrip, .difUpdate:
            FieldText(
                "DIF Status", bytes: 1...1, value: hexadecimal(UInt64(record.difStatus.rawValue), digits: 2),
                meaning: record.difStatus.names.joined(separator: ", "))
        default:
            FieldText("Result", bytes: 1...1, value: String(record.result), meaning: result(of: record, for: opcode))
        }
    }

    private static func result(of record: CompletionRecord, for opcode: Opcode?) -> String {
        switch (opcode, record.result) {
        case (.compare, 0), (.comparePattern, 0), (.createDeltaRecord, 0): "equal"
        case (.compare, 1), (.comparePattern, 1): "different"
        case (.createDeltaRecord, 1): "different; the delta record is complete"
        case (.createDeltaRecord, 2): "different; the delta record is full"
        case (.memoryMove, 0) where record.status.isPageFault: "Bytes Completed counts from the start"
        case (.memoryMove, 1) where record.status.isPageFault: "Bytes Completed counts from the end"
        default: ""
        }
    }

    private static func completed(of record: CompletionRecord, for opcode: Opcode?) -> String {
        switch opcode {
        case .compare, .comparePattern:
            if !record.status.isPageFault, record.result == 1 { return "offset of the first difference" }
        case .batch:
            return "members processed"
        case .createDeltaRecord where !record.status.isPageFault && record.result == 2:
            return "compared before the record was full"
        case .applyDeltaRecord where record.status != .success:
            return "of the delta record"
        case .difCheck, .difInsert, .difStrip, .difUpdate:
            if record.status != .success { return "of the source, in whole blocks" }
        default:
            break
        }
        return record.status == .success && record.bytesCompleted == 0 ? "0 stands for all" : ""
    }
}
