import DSASpec
import PCIe
import Testing

/// The first failure of `descriptor` in `context`, which is the only one.
private func onlyFailure(_ descriptor: Descriptor, in context: CheckContext = .standard) -> CheckFailure? {
    let failures = DescriptorChecks.allFailures(of: descriptor, in: context)
    #expect(failures.count == 1)
    #expect(DescriptorChecks.firstFailure(of: descriptor, in: context) == failures.first)
    return failures.first
}

private let move = validDescriptor(.memoryMove)

@Suite("Flag table 1.2")
struct FlagTests {
    @Test func `Fence is invalid in a direct descriptor and valid in a member`() {
        let fenced = move.with { $0.flags.insert(.fence) }
        #expect(onlyFailure(fenced)?.rule == .fenceOutsideBatch)
        #expect(onlyFailure(fenced)?.invalidFlags == .fence)
        #expect(DescriptorChecks.firstFailure(of: fenced, in: .standard { $0.isBatchMember = true }) == nil)
    }

    @Test func `Block On Fault is invalid while BOF Enable is 0`() {
        let blocking = move.with { $0.flags.insert(.blockOnFault) }
        #expect(onlyFailure(blocking)?.rule == .blockOnFaultDisabled)
        #expect(onlyFailure(blocking)?.invalidFlags == .blockOnFault)
        #expect(DescriptorChecks.firstFailure(of: blocking, in: .standard { $0.isBlockOnFaultEnabled = true }) == nil)
    }

    @Test(arguments: [Opcode.noOp, .batch, .drain])
    func `Block On Fault is invalid where there is no buffer`(opcode: Opcode) {
        let blocking = validDescriptor(opcode).with { $0.flags.insert(.blockOnFault) }
        #expect(onlyFailure(blocking, in: .permissive)?.rule == .flagOfAnotherOperation)
    }

    @Test func `RCI is invalid for a user without User-mode Interrupts Enable`() {
        let interrupting = move.with { $0.flags.insert(.requestCompletionInterrupt) }
        #expect(onlyFailure(interrupting)?.rule == .userModeInterrupt)
        #expect(onlyFailure(interrupting)?.invalidFlags == .requestCompletionInterrupt)
        for change in [
            { (context: inout CheckContext) in context.areUserInterruptsEnabled = true },
            { (context: inout CheckContext) in context.isPASIDEnabled = false },
            { (context: inout CheckContext) in
                context.isShared = false
                context.isPrivileged = true
            },
        ] {
            #expect(DescriptorChecks.firstFailure(of: interrupting, in: .standard(change)) == nil)
        }
    }

    @Test func `A member's Priv is its Batch descriptor's, not its own`() {
        let claiming = move.with {
            $0.flags.insert(.requestCompletionInterrupt)
            $0.firstDword = 1 << 31
        }
        let member = CheckContext.standard { $0.isBatchMember = true }
        #expect(onlyFailure(claiming, in: member)?.rule == .userModeInterrupt)
    }

    @Test(arguments: [5, 6, 15])
    func `Flags 5, 6 and 15 are reserved`(bit: Int) {
        let flagged = move.with { $0.flags.formUnion(DescriptorFlags(rawValue: 1 << UInt32(bit))) }
        #expect(onlyFailure(flagged, in: .permissive)?.rule == .undefinedFlag)
        #expect(onlyFailure(flagged, in: .permissive)?.invalidFlags.rawValue == 1 << UInt32(bit))
    }

    @Test func `Cache Control 1 needs GENCAP bit 2`() {
        let caching = move.with { $0.flags.insert(.cacheControl) }
        #expect(DescriptorChecks.firstFailure(of: caching, in: .standard) == nil)
        let without = CheckContext(generalCapabilities: GeneralCapabilities(rawValue: 0x40_915F_0103))
        #expect(onlyFailure(caching, in: without)?.rule == .flagWithoutCapability)
    }

    @Test func `Destination Readback needs GENCAP bit 8`() {
        let reading = move.with { $0.flags.insert(.destinationReadback) }
        #expect(DescriptorChecks.firstFailure(of: reading, in: .standard) == nil)
        let without = CheckContext(generalCapabilities: GeneralCapabilities(rawValue: 0x40_915F_0007))
        #expect(onlyFailure(reading, in: without)?.rule == .flagWithoutCapability)
    }

    @Test func `The record's TC selector is invalid while CRAV is 0`() {
        let selecting = move.with {
            $0.flags = .completionRecordTrafficClass
            $0.completionRecordAddress = LinearAddress(rawValue: 0)
        }
        #expect(onlyFailure(selecting)?.rule == .recordFlagWithoutAddress)
        #expect(onlyFailure(selecting)?.invalidFlags == .completionRecordTrafficClass)
    }

    @Test func `Invalid Flags names every invalid flag, whichever rule it breaks`() {
        let flagged = move.with { $0.flags.formUnion([.fence, .blockOnFault, .checkResult]) }
        let failures = DescriptorChecks.allFailures(of: flagged, in: .standard)
        #expect(failures.map(\.rule) == [.fenceOutsideBatch, .flagOfAnotherOperation, .blockOnFaultDisabled])
        #expect(failures.map(\.flags) == [.fence, .checkResult, .blockOnFault])
        #expect(failures.allSatisfy { $0.invalidFlags == [.fence, .blockOnFault, .checkResult] })
    }
}

@Suite("Status table 2.3")
struct StatusTests {
    @Test func `0x10 answers an opcode that is not in OPCAP`() {
        let unsupported = CheckContext.standard { $0.operations = OpcodeSet(bits: 0x1) }
        #expect(onlyFailure(move, in: unsupported)?.rule == .unsupportedOperation)
        #expect(onlyFailure(move, in: unsupported)?.status == .unsupportedOperation)
    }

    @Test(arguments: UInt8.min...UInt8.max)
    func `0x10 answers every opcode that is not emulated`(raw: UInt8) {
        let opcode = Opcode(rawValue: raw)
        var all = CheckContext.standard
        all.operations = OpcodeSet(bits: .max)
        let descriptor = validDescriptor(opcode)
        let failure = DescriptorChecks.firstFailure(of: descriptor, in: all)
        #expect((failure == nil) == emulatedOperations.contains(opcode))
        #expect(failure == nil || failure?.status == .unsupportedOperation)
        #expect(OpcodeSet.emulated.contains(opcode) == emulatedOperations.contains(opcode))
    }

    @Test(arguments: [Opcode.batch, .drain])
    func `0x10 answers Batch and Drain in a batch`(opcode: Opcode) {
        let member = CheckContext.standard { $0.isBatchMember = true }
        #expect(onlyFailure(validDescriptor(opcode), in: member)?.rule == .operationInBatch)
    }

    @Test(arguments: zip([0, 1, 4096, 4097], [true, false, false, true]))
    func `0x13 answers a Transfer Size of 0 or above the WQ's maximum - vector 13`(size: UInt32, isRefused: Bool) {
        let context = CheckContext.standard { $0.maximumTransferShift = 12 }
        for opcode in emulatedOperations where ![.noOp, .batch, .drain].contains(opcode) {
            let failure = DescriptorChecks.firstFailure(
                of: validDescriptor(opcode).with { $0.transferSize = size }, in: context)
            #expect((failure?.status == .invalidTransferSize) == isRefused)
            #expect((failure == nil) == !isRefused)
        }
    }

    @Test func `The largest transfer is 2^31 bytes`() {
        let fill = validDescriptor(.fill)
        #expect(DescriptorChecks.firstFailure(of: fill.with { $0.transferSize = 1 << 31 }, in: .standard) == nil)
        #expect(onlyFailure(fill.with { $0.transferSize = 1 << 31 + 1 })?.rule == .transferSizeAboveMaximum)
    }

    @Test(arguments: zip([0, 1, 2, 1024, 1025], [true, true, false, false, true]))
    func `0x14 answers a Descriptor Count of 0, of 1 or above the WQ's maximum - vector 14`(
        count: UInt32, isRefused: Bool
    ) {
        let failure = DescriptorChecks.firstFailure(
            of: validDescriptor(.batch).with { $0.descriptorCount = count }, in: .standard)
        #expect((failure?.status == .invalidDescriptorCount) == isRefused)
        #expect((failure == nil) == !isRefused)
    }

    @Test func `Batch1 makes a Descriptor Count of 1 legal, and 0 stays refused`() {
        let context = CheckContext(generalCapabilities: GeneralCapabilities(rawValue: 0x10_0040_915F_0107))
        let batch = validDescriptor(.batch)
        #expect(DescriptorChecks.firstFailure(of: batch.with { $0.descriptorCount = 1 }, in: context) == nil)
        #expect(onlyFailure(batch.with { $0.descriptorCount = 0 }, in: context)?.status == .invalidDescriptorCount)
    }

    @Test func `0x17 answers Dualcast destinations at 0x1000 and 0x2010 - vector 12`() {
        let dualcast = validDescriptor(.dualcast).with {
            $0.destinationAddress = LinearAddress(rawValue: 0x1000)
            $0.destination2Address = LinearAddress(rawValue: 0x2010)
            $0.transferSize = 16
        }
        #expect(onlyFailure(dualcast)?.status == .dualcastMisaligned)
    }

    @Test func `0x18 answers a descriptor list that is not 64-byte aligned`() {
        let batch = validDescriptor(.batch).with { $0.descriptorListAddress = LinearAddress(rawValue: 0x10_0020) }
        #expect(onlyFailure(batch)?.status == .descriptorListMisaligned)
    }

    @Test(arguments: zip(UInt16(0)...9, [nil, nil, nil, nil, nil, nil, nil, nil, nil, CheckRule.interruptHandleOutOfRange]))
    func `0x19 answers an interrupt handle beyond its table`(handle: UInt16, rule: CheckRule?) {
        let interrupting = move.with {
            $0.flags.insert(.requestCompletionInterrupt)
            $0.completionInterruptHandle = handle
        }
        let failure = DescriptorChecks.firstFailure(of: interrupting, in: .permissive)
        #expect(failure?.rule == rule)
        #expect(failure == nil || failure?.status == .invalidInterruptHandle)
    }

    @Test func `0x19 answers an interrupt entry of another PASID`() {
        var context = CheckContext.permissive
        context.isInterruptHandleGranted = false
        #expect(DescriptorChecks.firstFailure(of: move, in: context) == nil)
        let interrupting = move.with { $0.flags.insert(.requestCompletionInterrupt) }
        #expect(onlyFailure(interrupting, in: context)?.rule == .interruptHandleNotGranted)
    }

    @Test(arguments: [Opcode.crcGeneration, .copyWithCRC])
    func `0x1c answers a CRC seed address that is not 4-byte aligned`(opcode: Opcode) {
        for offset in UInt64(0)..<4 {
            let crc = validDescriptor(opcode).with {
                $0.flags.insert(.readCRCSeed)
                $0.crcSeedAddress = LinearAddress(rawValue: 0x9000 + offset)
            }
            let failure = DescriptorChecks.firstFailure(of: crc, in: .standard)
            #expect(failure?.status == (offset == 0 ? nil : .misalignedAddress))
        }
    }

    @Test func `0x1d answers Priv in a shared WQ without privileged mode, and nowhere else`() {
        let privileged = move.with { $0.firstDword = 1 << 31 }
        #expect(onlyFailure(privileged)?.status == .invalidPrivilege)
        #expect(onlyFailure(privileged)?.bypassesRecord == true)
        for change in [
            { (context: inout CheckContext) in context.isPrivilegedModeEnabled = true },
            { (context: inout CheckContext) in context.isShared = false },
            { (context: inout CheckContext) in context.isBatchMember = true },
        ] {
            #expect(DescriptorChecks.firstFailure(of: privileged, in: .standard(change)) == nil)
        }
    }

    @Test func `0x1e answers an address whose traffic class is not enabled`() {
        let noB = CheckContext.standard { $0.isTrafficClassBEnabled = false }
        #expect(DescriptorChecks.firstFailure(of: move, in: noB) == nil)
        let selecting = move.with { $0.flags.insert(.address2TrafficClass) }
        #expect(onlyFailure(selecting, in: noB)?.rule == .trafficClass)
        #expect(onlyFailure(selecting, in: noB)?.bypassesRecord == false)
        let noA = CheckContext.standard { $0.isTrafficClassAEnabled = false }
        let allB = move.with {
            $0.flags.formUnion([.address1TrafficClass, .address2TrafficClass, .completionRecordTrafficClass])
        }
        #expect(DescriptorChecks.firstFailure(of: allB, in: noA) == nil)
        let sourceA = allB.with { $0.flags.remove(.address1TrafficClass) }
        #expect(onlyFailure(sourceA, in: noA)?.rule == .trafficClass)
    }

    @Test func `0x1e for the record's traffic class cannot be put into the record, so it comes before other errors`() {
        let noB = CheckContext.standard { $0.isTrafficClassBEnabled = false }
        let selecting = move.with {
            $0.flags.formUnion([.completionRecordTrafficClass, .checkResult])
            $0.transferSize = 0
        }
        let failure = DescriptorChecks.firstFailure(of: selecting, in: noB)
        #expect(failure?.status == .invalidTrafficClass)
        #expect(failure?.bypassesRecord == true)
    }
}

@Suite("Overlap table 4.2")
struct OverlapTests {
    private static let distances: [(distance: Int64, isOverlap: Bool)] = [
        (0, true), (1, true), (99, true), (100, false), (-1, true), (-99, true), (-100, false),
    ]

    private func place(_ descriptor: Descriptor, at source: UInt64, distance: Int64) -> Descriptor {
        descriptor.with {
            $0.transferSize = 100
            $0.sourceAddress = LinearAddress(rawValue: source)
            $0.destinationAddress = LinearAddress(rawValue: source &+ UInt64(bitPattern: distance))
        }
    }

    @Test(arguments: distances)
    func `Copy with CRC refuses source and destination that share a byte`(distance: Int64, isOverlap: Bool) {
        let copy = place(validDescriptor(.copyWithCRC), at: 0x1000, distance: distance)
        #expect(DescriptorChecks.firstFailure(of: copy, in: .standard)?.status == (isOverlap ? .overlappingBuffers : nil))
    }

    @Test(arguments: distances)
    func `Memory Move refuses an overlap only without GENCAP bit 1`(distance: Int64, isOverlap: Bool) {
        let copy = place(validDescriptor(.memoryMove), at: 0x1000, distance: distance)
        #expect(DescriptorChecks.firstFailure(of: copy, in: .standard) == nil)
        let without = CheckContext(generalCapabilities: GeneralCapabilities(rawValue: 0x40_915F_0105))
        #expect(DescriptorChecks.firstFailure(of: copy, in: without)?.rule == (isOverlap ? .overlappingMove : nil))
    }

    @Test(arguments: [(0x5000, 0x6000, 0x7000, 0), (0x5000, 0x5800, 0x9800, 1), (0x5000, 0x9800, 0x5800, 1),
        (0x5000, 0x9000, 0x9000, 1), (0x5000, 0x5000, 0x5000, 3)])
    func `Dualcast refuses each pair of buffers that share a byte`(
        source: UInt64, first: UInt64, second: UInt64, count: Int
    ) {
        let dualcast = validDescriptor(.dualcast).with {
            $0.sourceAddress = LinearAddress(rawValue: source)
            $0.destinationAddress = LinearAddress(rawValue: first)
            $0.destination2Address = LinearAddress(rawValue: second)
        }
        let failures = DescriptorChecks.allFailures(of: dualcast, in: .standard)
        #expect(failures.map(\.rule) == Array(repeating: .overlappingBuffers, count: count))
    }

    @Test(arguments: [Opcode.compare, .crcGeneration, .comparePattern, .fill, .cacheFlush])
    func `Operations that write no second buffer refuse no overlap`(opcode: Opcode) {
        let descriptor = validDescriptor(opcode).with {
            if opcode == .compare { $0.destinationAddress = $0.sourceAddress }
        }
        #expect(DescriptorChecks.firstFailure(of: descriptor, in: .standard) == nil)
    }

    @Test func `A buffer that passes 2^64 does not come round to 0`() {
        let top = place(validDescriptor(.copyWithCRC), at: UInt64.max - 49, distance: 50)
        #expect(top.destinationAddress.rawValue == 0)
        #expect(DescriptorChecks.firstFailure(of: top, in: .standard) == nil)
        let within = place(validDescriptor(.copyWithCRC), at: UInt64.max - 120, distance: 99)
        #expect(DescriptorChecks.firstFailure(of: within, in: .standard)?.status == .overlappingBuffers)
    }
}

@Suite("Vectors 9.3, checks")
struct CheckVectorTests {
    @Test func `Vector 18: RCR without CRAV is 0x11`() {
        let descriptor = move.with {
            $0.flags = .requestCompletionRecord
            $0.completionRecordAddress = LinearAddress(rawValue: 0)
        }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
        #expect(onlyFailure(descriptor)?.invalidFlags == .requestCompletionRecord)
    }

    @Test func `Vector 18: an interrupt handle without RCI is 0x12`() {
        let descriptor = move.with { $0.completionInterruptHandle = 5 }
        #expect(onlyFailure(descriptor)?.rule == .interruptHandleReserved)
        #expect(onlyFailure(descriptor)?.status == .nonZeroReserved)
    }

    @Test func `Vector 18: a record address without CRAV is 0x12`() {
        let descriptor = move.with { $0.flags = [] }
        #expect(onlyFailure(descriptor)?.rule == .completionRecordAddressReserved)
        #expect(onlyFailure(descriptor)?.status == .nonZeroReserved)
    }

    @Test func `Vector 19: Drain without RCR and RCI is 0x11`() {
        let descriptor = validDescriptor(.drain).with { $0.flags = .completionRecordAddressValid }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
        #expect(onlyFailure(descriptor)?.invalidFlags == [.requestCompletionRecord, .requestCompletionInterrupt])
    }

    @Test func `Vector 20: Compare without RCR is 0x11`() {
        let descriptor = validDescriptor(.compare).with { $0.flags = .completionRecordAddressValid }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
    }

    @Test func `Vector 21: Memory Move with Check Result is 0x11 and names flag 0x80`() {
        let descriptor = move.with { $0.flags.insert(.checkResult) }
        #expect(onlyFailure(descriptor)?.status == .invalidFlags)
        #expect(onlyFailure(descriptor)?.invalidFlags.rawValue == 0x80)
    }

    @Test func `Vector 22: a record address off by 16 is 0x1b and goes to SWERROR`() {
        let descriptor = move.with { $0.completionRecordAddress = LinearAddress(rawValue: 0x7010) }
        #expect(onlyFailure(descriptor)?.status == .completionRecordMisaligned)
        #expect(onlyFailure(descriptor)?.bypassesRecord == true)
    }
}

@Suite("Check order")
struct CheckOrderTests {
    @Test(arguments: UInt64(0)..<32)
    func `The first failure is the first of all, whatever the descriptor`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<2_000 {
            let context = randomContext(&generator)
            let descriptor = randomDescriptor(&generator)
            let all = DescriptorChecks.allFailures(of: descriptor, in: context)
            #expect(DescriptorChecks.firstFailure(of: descriptor, in: context) == all.first, "seed \(seed)")
            #expect(all.map(\.rule.rawValue) == all.map(\.rule.rawValue).sorted(), "seed \(seed)")
            let flagFailures = all.filter { $0.status == .invalidFlags }
            let union = flagFailures.reduce(into: DescriptorFlags()) { $0.formUnion($1.flags) }
            #expect(flagFailures.allSatisfy { $0.invalidFlags == union && !$0.flags.isEmpty }, "seed \(seed)")
        }
    }

    @Test func `Every rule can be broken`() {
        var generator = SeededGenerator(seed: 7)
        var broken: Set<CheckRule> = []
        for _ in 0..<200_000 {
            let context = randomContext(&generator)
            let failures = DescriptorChecks.allFailures(of: randomDescriptor(&generator), in: context)
            broken.formUnion(failures.map(\.rule))
        }
        #expect(broken == Set(CheckRule.allCases))
    }

    @Test func `Every rule has a name of its own, a section and a sentence`() {
        #expect(Set(CheckRule.allCases.map(\.identifier)).count == CheckRule.allCases.count)
        for rule in CheckRule.allCases {
            #expect(rule.section.hasPrefix("DSA 3.0 "))
            #expect(rule.sentence.hasSuffix("."))
        }
    }

    private func randomContext(_ generator: inout SeededGenerator) -> CheckContext {
        var context = CheckContext.standard
        if generator.next() & 3 == 0 {
            context.generalCapabilities = GeneralCapabilities(
                rawValue: context.generalCapabilities.rawValue ^ generator.next() & 0x10_0000_0000_FFFF)
        }
        let bits = generator.next()
        context.isBatchMember = bits & 0b11 == 0
        context.isShared = bits & 0b100 == 0
        context.isPASIDEnabled = context.isShared || bits & 0b1000 == 0
        context.isPrivileged = bits & 0x10 != 0
        context.isPrivilegedModeEnabled = bits & 0x20 != 0
        context.isBlockOnFaultEnabled = bits & 0x40 != 0
        context.areUserInterruptsEnabled = bits & 0x80 != 0
        context.isInterruptHandleGranted = bits & 0x300 != 0
        context.isTrafficClassAEnabled = bits & 0xC00 != 0
        context.isTrafficClassBEnabled = bits & 0x3000 != 0
        context.maximumTransferShift = bits & 0x4000 != 0 ? 31 : 8
        context.maximumBatchShift = bits & 0x8000 != 0 ? 10 : 2
        if bits & 0xF_0000 == 0 { context.operations = OpcodeSet(bits: generator.next()) }
        return context
    }

    /// Valid but for a few random changes, so that late rules are reached.
    private func randomDescriptor(_ generator: inout SeededGenerator) -> Descriptor {
        var descriptor = validDescriptor(emulatedOperations.randomElement(using: &generator) ?? .noOp)
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            switch generator.next() % 8 {
            case 0: descriptor.flags.formSymmetricDifference(DescriptorFlags(rawValue: 1 << UInt32(generator.next() % 24)))
            case 1: descriptor = descriptor.with(byte: Int(generator.next() % 64), UInt8(truncatingIfNeeded: generator.next()))
            case 2: descriptor.flags.formUnion([.readCRCSeed, .address3TrafficClass])
            case 3: descriptor.destinationAddress = descriptor.sourceAddress.advanced(by: generator.next() & 0x1FF)
            case 4: descriptor.transferSize = UInt32(truncatingIfNeeded: generator.next() & 0x1FF)
            case 5: descriptor.flags = DescriptorFlags(rawValue: descriptor.flags.rawValue & ~0b1100 | UInt32(truncatingIfNeeded: generator.next() & 0b1100))
            case 6:
                descriptor.flags.insert(.requestCompletionInterrupt)
                descriptor.completionInterruptHandle = UInt16(truncatingIfNeeded: generator.next() & 15)
            default: descriptor[word: Int(generator.next() % 8)] = generator.next()
            }
        }
        return descriptor
    }
}
