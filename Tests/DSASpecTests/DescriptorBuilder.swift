import DSASpec
import PCIe
import Testing

/// The operations of the table under test, dsa-device §1.4: those of DSA 1.0.
let emulatedOperations: [Opcode] = [
    .noOp, .batch, .drain, .memoryMove, .fill, .compare, .comparePattern, .createDeltaRecord, .applyDeltaRecord,
    .dualcast, .crcGeneration, .copyWithCRC, .difCheck, .difInsert, .difStrip, .difUpdate, .cacheFlush,
]

/// The operations whose bytes 32-35 are a Transfer Size in units of 1.
let byteOperations = emulatedOperations.filter {
    ![.noOp, .batch, .drain, .createDeltaRecord, .applyDeltaRecord, .difCheck, .difInsert, .difStrip, .difUpdate]
        .contains($0)
}

/// A descriptor of `opcode` that breaks no rule in `context(for:)`: CRAV and RCR, and nothing optional.
func validDescriptor(_ opcode: Opcode) -> Descriptor {
    var descriptor = Descriptor()
    descriptor.opcode = opcode
    descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
    descriptor.completionRecordAddress = LinearAddress(rawValue: 0x7000)
    switch opcode {
    case .batch:
        descriptor.descriptorListAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.descriptorCount = 16
    case .memoryMove, .compare, .copyWithCRC, .dualcast:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.destinationAddress = LinearAddress(rawValue: 0x20_0000)
        descriptor.transferSize = 4096
        if opcode == .dualcast { descriptor.destination2Address = LinearAddress(rawValue: 0x30_0000) }
    case .fill:
        descriptor.fillPattern = 0x0123_4567_89AB_CDEF
        descriptor.destinationAddress = LinearAddress(rawValue: 0x20_0000)
        descriptor.transferSize = 4096
    case .comparePattern:
        descriptor.comparePattern = 0x0123_4567_89AB_CDEF
        descriptor.sourceAddress = LinearAddress(rawValue: 0x20_0000)
        descriptor.transferSize = 4096
    case .createDeltaRecord:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.destinationAddress = LinearAddress(rawValue: 0x20_0000)
        descriptor.transferSize = 256
        descriptor.deltaRecordAddress = LinearAddress(rawValue: 0x30_0000)
        descriptor.maximumDeltaRecordSize = 80
    case .applyDeltaRecord:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.destinationAddress = LinearAddress(rawValue: 0x20_0000)
        descriptor.transferSize = 4096
        descriptor.deltaRecordSize = 80
    case .difCheck:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.transferSize = 4160
    case .difInsert:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.destinationAddress = LinearAddress(rawValue: 0x20_0000)
        descriptor.transferSize = 4096
    case .difStrip, .difUpdate:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.destinationAddress = LinearAddress(rawValue: 0x20_0000)
        descriptor.transferSize = 4160
    case .translationFetch:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.transferSize = 4096
    case .crcGeneration:
        descriptor.sourceAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.transferSize = 4096
    case .cacheFlush:
        descriptor.destinationAddress = LinearAddress(rawValue: 0x10_0000)
        descriptor.transferSize = 4096
    default:
        break
    }
    return descriptor
}

extension Descriptor {
    /// The same descriptor after `change`.
    func with(_ change: (inout Descriptor) -> Void) -> Descriptor {
        var copy = self
        change(&copy)
        return copy
    }

    /// The same descriptor with byte `index` replaced.
    func with(byte index: Int, _ value: UInt8) -> Descriptor {
        with { descriptor in
            let shift = UInt64(index % 8 * 8)
            descriptor[word: index / 8] = descriptor[word: index / 8] & ~(0xFF << shift) | UInt64(value) << shift
        }
    }
}

extension CheckContext {
    /// The standard context after `change`.
    static func standard(_ change: (inout CheckContext) -> Void) -> CheckContext {
        var context = CheckContext.standard
        change(&context)
        return context
    }

    /// Every capability and configuration permits everything: what is refused here is refused by the operation.
    static var permissive: CheckContext {
        var context = CheckContext(generalCapabilities: GeneralCapabilities(rawValue: 0x10_0040_915F_FFFF))
        context.operations = .emulated
        context.isBlockOnFaultEnabled = true
        context.areUserInterruptsEnabled = true
        context.isPrivilegedModeEnabled = true
        return context
    }
}

/// The first failure of `descriptor` in `context`, which is the only one.
func onlyFailure(_ descriptor: Descriptor, in context: CheckContext = .standard) -> CheckFailure? {
    let failures = DescriptorChecks.allFailures(of: descriptor, in: context)
    #expect(failures.count == 1)
    #expect(DescriptorChecks.firstFailure(of: descriptor, in: context) == failures.first)
    return failures.first
}

/// A valid Memory Move.
let move = validDescriptor(.memoryMove)
