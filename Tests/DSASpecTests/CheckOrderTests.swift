import DSASpec
import PCIe
import TestKit
import Testing

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

    @Test(arguments: UInt64(0)..<16)
    func `Whatever the order, the same descriptors pass, and the first failure is the first of all`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<1_000 {
            let context = randomContext(&generator)
            let descriptor = randomDescriptor(&generator)
            let groups = CheckGroup.allCases.shuffled(using: &generator)
            guard let order = CheckOrder(groups) else {
                Issue.record("a permutation is an order")
                return
            }
            let listed = DescriptorChecks.allFailures(of: descriptor, in: context)
            let all = DescriptorChecks.allFailures(of: descriptor, in: context, order: order)
            #expect(Set(all) == Set(listed), "seed \(seed), \(groups)")
            let first = DescriptorChecks.firstFailure(of: descriptor, in: context, order: order)
            #expect(first == all.first, "seed \(seed), \(groups)")
        }
    }

    @Test func `An order has each group once`() {
        #expect(CheckOrder(CheckGroup.allCases) != nil)
        #expect(CheckOrder(CheckGroup.allCases.dropLast()) == nil)
        #expect(CheckOrder(Array(CheckGroup.allCases.dropLast()) + [.operation]) == nil)
        #expect(CheckOrder(CheckGroup.allCases + [.operation]) == nil)
    }

    /// One descriptor with a defect for every group.
    @Test func `The group that is checked first decides the status`() {
        let broken = validDescriptor(.createDeltaRecord).with {
            $0.flags.formUnion([.fence, .requestCompletionInterrupt, .address1TrafficClass])
            $0.completionInterruptHandle = 99
            $0.transferSize = 0x10_0004
            $0.maximumDeltaRecordSize = 79
            $0.deltaRecordAddress = $0.sourceAddress
            $0[word: 7] = 0xFF00
        }
        var context = CheckContext.permissive
        context.isTrafficClassBEnabled = false
        context.operations = OpcodeSet(bits: 0)
        let statuses: [(CheckGroup, CompletionStatus)] = [
            (.operation, .unsupportedOperation), (.flags, .invalidFlags), (.reservedFields, .nonZeroReserved),
            (.interruptHandle, .invalidInterruptHandle), (.trafficClass, .invalidTrafficClass),
            (.size, .invalidTransferSize), (.deltaRecordSize, .invalidDeltaRecordSize),
            (.alignment, .misalignedAddress), (.overlap, .overlappingBuffers),
        ]
        for (group, status) in statuses {
            let groups = [group] + CheckGroup.allCases.filter { $0 != group }
            let order = CheckOrder(groups) ?? .listed
            #expect(DescriptorChecks.firstFailure(of: broken, in: context, order: order)?.status == status)
        }
        #expect(DescriptorChecks.firstFailure(of: broken, in: context)?.status == .unsupportedOperation)
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
        if bits & 0x60_0000 != 0 { context.operations = .emulated }
        if bits & 0x80_0000 != 0 { context.isTranslationServiceEnabled = false }
        if bits & 0x10_0000 != 0 { context.openPoints.deltaFragment = .refused }
        if bits & 0xF_0000 == 0 { context.operations = OpcodeSet(bits: generator.next()) }
        return context
    }

    /// Valid but for a few random changes, so that late rules are reached.
    private func randomDescriptor(_ generator: inout SeededGenerator) -> Descriptor {
        var descriptor = validDescriptor(
            (emulatedOperations + [.translationFetch]).randomElement(using: &generator) ?? .noOp)
        for _ in 0..<Int.random(in: 0...3, using: &generator) {
            switch generator.next() % 8 {
            case 0:
                descriptor.flags.formSymmetricDifference(DescriptorFlags(rawValue: 1 << UInt32(generator.next() % 24)))
            case 1:
                descriptor = descriptor.with(
                    byte: Int(generator.next() % 64), UInt8(truncatingIfNeeded: generator.next()))
            case 2: descriptor.flags.formUnion([.readCRCSeed, .address3TrafficClass])
            case 3: descriptor.destinationAddress = descriptor.sourceAddress.advanced(by: generator.next() & 0x1FF)
            case 4: descriptor.transferSize = UInt32(truncatingIfNeeded: generator.next() & 0x1FF)
            case 5:
                descriptor.flags = DescriptorFlags(
                    rawValue: descriptor.flags.rawValue & ~0b1100
                        | UInt32(truncatingIfNeeded: generator.next() & 0b1100))
            case 6:
                descriptor.flags.insert(.requestCompletionInterrupt)
                descriptor.completionInterruptHandle = UInt16(truncatingIfNeeded: generator.next() & 15)
            default: descriptor[word: Int(generator.next() % 8)] = generator.next()
            }
        }
        return descriptor
    }
}
