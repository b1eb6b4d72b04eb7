/// Everything that is wrong with a descriptor: the codes of dsa-device §2.3 that apply, each once.
struct Defects {
    /// Bit n: code n applies.
    private var codes: UInt64 = 0
    /// With 0x11: every flag that breaks a rule, and every missing one.
    private(set) var flags: UInt32 = 0

    var isEmpty: Bool { codes == 0 }

    func contains(_ code: UInt8) -> Bool { codes >> UInt64(code) & 1 == 1 }

    mutating func add(_ code: UInt8) { codes |= 1 << UInt64(code) }

    mutating func add(_ code: UInt8, if condition: Bool) {
        if condition { add(code) }
    }

    mutating func addFlags(_ offending: UInt32) {
        guard offending != 0 else { return }
        flags |= offending
        add(0x11)
    }

    /// The codes in the order in which they are looked for.
    func ordered(by order: [UInt8]) -> [UInt8] { order.filter(contains) }
}

/// Looks for every defect of a descriptor (dsa-device §1.2-§1.4, §2.3, §4.2). None of the rules looks at another.
struct DefectSearch {
    let descriptor: RawDescriptor
    let context: OracleContext
    let isMember: Bool
    /// Of the submitter: the descriptor's, the WQ's or the batch's.
    let isPrivileged: Bool
    /// Of the submitter too.
    let pasid: UInt32

    func defects() -> Defects {
        var defects = Defects()
        defects.add(
            0x1D, if: context.isShared && !isMember && isPrivileged && !context.isPrivilegedModeEnabled)
        defects.add(0x1B, if: descriptor.isRecordAddressValid && descriptor.recordAddress % 32 != 0)
        let isInCapabilities = descriptor.opcode < 64 && context.operations >> UInt64(descriptor.opcode) & 1 == 1
        let isMisplaced = isMember && [Operation.batch, Operation.drain].contains(descriptor.opcode)
        let isFetchWithoutATS =
            descriptor.opcode == Operation.translationFetch && !context.isTranslationServiceEnabled
        defects.add(0x10, if: !isInCapabilities || isMisplaced || isFetchWithoutATS)
        // What is not known as an operation has neither fields nor flags that could be judged.
        guard isInCapabilities, let row = OperationRow.of(descriptor.opcode) else { return defects }
        defects.addFlags(offendingFlags(row))
        defects.add(0x12, if: hasReservedBytes(row))
        defects.add(
            0x19,
            if: descriptor.hasFlag(Flag.requestInterrupt)
                && !isInterruptGranted)
        addSizes(to: &defects)
        addAlignments(to: &defects)
        defects.add(0x16, if: hasForbiddenOverlap)
        return defects
    }
}

// MARK: Interrupts

extension DefectSearch {
    /// Whether the handle names an entry that the PASID may use.
    private var isInterruptGranted: Bool {
        context.interruptHandles[pasid]?.contains(descriptor.interruptHandle) ?? false
    }

    /// Whether the submitter may ask for interrupts at all.
    private var mayRequestInterrupt: Bool {
        context.isUserInterruptEnabled || !context.isPASIDEnabled || isPrivileged && context.isPrivilegedModeEnabled
    }

    /// Whether the end of the descriptor is signalled, however it ends (dsa-device §2.2).
    var interrupts: Bool {
        descriptor.hasFlag(Flag.requestInterrupt) && mayRequestInterrupt && isInterruptGranted
    }
}

// MARK: Flags

extension DefectSearch {
    /// Flags that are 1 and may not be, and flags that are 0 and may not be.
    private func offendingFlags(_ row: OperationRow) -> UInt32 {
        descriptor.flags & ~permittedFlags(row) | missingFlags(row)
    }

    /// Flags that may be 1 in this context, with the descriptor's other flags as they are.
    func permittedFlags(_ row: OperationRow) -> UInt32 {
        var permitted = row.flags
        if isMember, ![Operation.batch, Operation.drain].contains(descriptor.opcode) { permitted |= 1 << Flag.fence }
        func forbid(_ bits: Int..., if condition: Bool) {
            guard condition else { return }
            for bit in bits { permitted &= ~(1 << UInt32(bit)) }
        }
        let hasSeed = descriptor.hasFlag(Flag.readSeed)
        forbid(Flag.blockOnFault, if: !context.isBlockOnFaultEnabled)
        forbid(
            Flag.requestRecord, Flag.recordSelector, if: !descriptor.isRecordAddressValid)
        forbid(
            Flag.requestInterrupt,
            if: !context.isUserInterruptEnabled && context.isPASIDEnabled && !isPrivileged)
        let controlsCache =
            descriptor.opcode == Operation.cacheFlush ? Capability.cacheControlOfFlush : Capability.cacheControl
        forbid(Flag.cacheControl, if: !context.can(controlsCache))
        forbid(Flag.destinationReadback, if: !context.can(Capability.destinationReadback))
        if context.openPoints.acceptsSteeringTags, !context.isGeneration2 {
            permitted |= 1 << 5 | 1 << 15 | (descriptor.opcode == Operation.dualcast ? 1 << 16 : 0)
        }
        switch descriptor.opcode {
        case Operation.translationFetch:
            forbid(Flag.useStride, if: !context.can(Capability.fetchStride))
        case Operation.batch:
            forbid(Flag.batchError, if: !context.can(Capability.batchContinuation))
        case Operation.drain:
            forbid(Flag.readback1, Flag.readback2, if: !context.can(Capability.drainReadback))
            forbid(Flag.selector1, if: !descriptor.hasFlag(Flag.readback1))
            forbid(Flag.selector2, if: !descriptor.hasFlag(Flag.readback2))
        case Operation.fill:
            forbid(Flag.widePattern, if: !context.can(Capability.wideFill))
        case Operation.crc, Operation.copyCRC:
            forbid(Flag.crc64, if: !context.can(Capability.crc64))
            forbid(Flag.selector3, if: !hasSeed)
        default:
            break
        }
        return permitted
    }

    private func missingFlags(_ row: OperationRow) -> UInt32 {
        let record: UInt32 = 1 << Flag.recordAddressValid | 1 << Flag.requestRecord
        if row.requiresRecord {
            let missing = record & ~descriptor.flags
            return missing != 0 && context.openPoints.namesAllRequiredFlags ? record : missing
        }
        let either: UInt32 = 1 << Flag.requestRecord | 1 << Flag.requestInterrupt
        return descriptor.opcode == Operation.drain && descriptor.flags & either == 0 ? either : 0
    }
}

// MARK: Reserved bytes

extension DefectSearch {
    private func hasReservedBytes(_ row: OperationRow) -> Bool {
        if row.reserved.contains(where: { descriptor.bytes[$0] != 0 }) { return true }
        if !descriptor.isRecordAddressValid, descriptor.recordAddress != 0 { return true }
        if !descriptor.hasFlag(Flag.requestInterrupt), descriptor.interruptHandle != 0 { return true }
        switch descriptor.opcode {
        case Operation.drain:
            return !descriptor.hasFlag(Flag.readback1) && descriptor.first != 0
                || !descriptor.hasFlag(Flag.readback2) && descriptor.second != 0
        case Operation.translationFetch:
            return !descriptor.hasFlag(Flag.useStride) && descriptor[48, 4] != 0
        case Operation.fill:
            return !descriptor.hasFlag(Flag.widePattern) && descriptor[40, 8] != 0
        case Operation.crc, Operation.copyCRC:
            if descriptor.hasFlag(Flag.readSeed) { return descriptor[40, 8] != 0 }
            return descriptor[48, 8] != 0 || !descriptor.hasFlag(Flag.crc64) && descriptor[44, 4] != 0
        case Operation.difCheck, Operation.difStrip:
            return descriptor.bytes[42] & 0xF0 != 0
        case Operation.difInsert, Operation.difUpdate:
            return descriptor.bytes[42] & 0xF0 != 0 || descriptor.bytes[41] & 0x07 != 0
        default:
            return false
        }
    }
}

// MARK: Sizes and alignments

extension DefectSearch {
    private func addSizes(to defects: inout Defects) {
        let size = descriptor.size
        switch descriptor.opcode {
        case Operation.noOp, Operation.drain:
            return
        case Operation.batch:
            defects.add(
                0x14,
                if: size == 0 || size > context.maximumBatch || size == 1 && !context.can(Capability.batchOfOne))
            return
        case Operation.createDelta:
            let maximum = descriptor[48, 4]
            defects.add(0x13, if: size > 0x80000)
            defects.add(0x15, if: maximum < 80 || maximum > context.maximumTransfer)
        case Operation.applyDelta:
            let recordSize = descriptor[40, 4]
            defects.add(0x13, if: size > 0x80000)
            let isFragmented = context.openPoints.refusesFragments && recordSize % 10 != 0
            defects.add(0x15, if: recordSize < 10 || recordSize > context.maximumTransfer || isFragmented)
        case Operation.difCheck, Operation.difInsert, Operation.difStrip, Operation.difUpdate:
            let stride = DIFLayout(descriptor).sourceStride
            defects.add(0x13, if: context.openPoints.refusesPartialBlocks && size % stride != 0)
        default:
            break
        }
        defects.add(0x13, if: size == 0 || size > context.maximumTransfer)
    }

    private func addAlignments(to defects: inout Defects) {
        switch descriptor.opcode {
        case Operation.batch:
            defects.add(0x18, if: descriptor.first % 64 != 0)
        case Operation.createDelta:
            defects.add(0x1C, if: (descriptor.first | descriptor.second | descriptor.size) % 8 != 0)
        case Operation.applyDelta:
            defects.add(0x1C, if: (descriptor.second | descriptor.size) % 8 != 0)
        case Operation.translationFetch:
            let stride = descriptor[48, 4]
            defects.add(0x1C, if: descriptor.hasFlag(Flag.useStride) && (stride == 0 || stride % 4096 != 0))
        case Operation.dualcast:
            defects.add(0x17, if: (descriptor.second ^ descriptor[40, 8]) & 0xFFF != 0)
        case Operation.crc, Operation.copyCRC:
            let width: UInt64 = descriptor.hasFlag(Flag.crc64) ? 8 : 4
            defects.add(0x1C, if: descriptor.hasFlag(Flag.readSeed) && descriptor[48, 8] % width != 0)
        default:
            break
        }
    }
}

// MARK: Overlap

extension DefectSearch {
    /// Whether two ranges share a byte. Ranges do not go beyond the last address.
    private func overlap(_ first: UInt64, _ firstSize: UInt64, _ second: UInt64, _ secondSize: UInt64) -> Bool {
        guard firstSize > 0, secondSize > 0 else { return false }
        func last(_ address: UInt64, _ size: UInt64) -> UInt64 {
            let (end, isBeyond) = address.addingReportingOverflow(size - 1)
            return isBeyond ? .max : end
        }
        return first <= last(second, secondSize) && second <= last(first, firstSize)
    }

    /// Table 4.2.
    private var hasForbiddenOverlap: Bool {
        let first = descriptor.first
        let second = descriptor.second
        let size = descriptor.size
        switch descriptor.opcode {
        case Operation.move:
            return !context.can(Capability.overlappingMove) && overlap(first, size, second, size)
        case Operation.createDelta:
            let record = descriptor[40, 8]
            let maximum = descriptor[48, 4]
            return overlap(record, maximum, first, size) || overlap(record, maximum, second, size)
        case Operation.applyDelta:
            return overlap(first, descriptor[40, 4], second, size)
        case Operation.dualcast:
            let third = descriptor[40, 8]
            return overlap(first, size, second, size) || overlap(first, size, third, size)
                || overlap(second, size, third, size)
        case Operation.copyCRC:
            return overlap(first, size, second, size)
        case Operation.difInsert, Operation.difStrip, Operation.difUpdate:
            let layout = DIFLayout(descriptor)
            let written: UInt64 =
                switch descriptor.opcode {
                case Operation.difInsert: size + 8 * (size / layout.blockSize)
                case Operation.difStrip where context.openPoints.refusesNearbyStrip: size + 1
                case Operation.difStrip: size - 8 * (size / (layout.blockSize + 8))
                default: size
                }
            return overlap(first, size, second, written)
        default:
            return false
        }
    }
}
