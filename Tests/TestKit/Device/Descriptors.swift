package import DSASpec
internal import PCIe

/// Descriptors that ask for a completion record.
extension Descriptor {
    /// A No-op.
    package static func noOp(record: UInt64) -> Descriptor {
        recording(.noOp, at: record)
    }

    package static func memoryMove(
        from source: UInt64, to destination: UInt64, count: UInt32, record: UInt64
    ) -> Descriptor {
        var descriptor = recording(.memoryMove, at: record)
        descriptor.sourceAddress = LinearAddress(rawValue: source)
        descriptor.destinationAddress = LinearAddress(rawValue: destination)
        descriptor.transferSize = count
        return descriptor
    }

    package static func fill(
        _ pattern: UInt64, to destination: UInt64, count: UInt32, record: UInt64
    ) -> Descriptor {
        var descriptor = recording(.fill, at: record)
        descriptor.fillPattern = pattern
        descriptor.destinationAddress = LinearAddress(rawValue: destination)
        descriptor.transferSize = count
        return descriptor
    }

    /// A Batch of the descriptors at `list`.
    package static func batch(list: UInt64, count: UInt32, record: UInt64) -> Descriptor {
        var descriptor = recording(.batch, at: record)
        descriptor.descriptorListAddress = LinearAddress(rawValue: list)
        descriptor.descriptorCount = count
        return descriptor
    }

    private static func recording(_ opcode: Opcode, at record: UInt64) -> Descriptor {
        var descriptor = Descriptor()
        descriptor.opcode = opcode
        descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
        descriptor.completionRecordAddress = LinearAddress(rawValue: record)
        return descriptor
    }

    /// The 64 bytes as they stand in memory.
    package var bytes: [UInt8] { (0..<Self.byteCount).map(byte) }
}

extension CompletionRecord {
    /// The record that 32 bytes of memory hold.
    package init(bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount, "a completion record has 32 bytes")
        self = unsafe bytes.withUnsafeBytes { unsafe CompletionRecord(loading: $0.baseAddress!) }
    }
}
