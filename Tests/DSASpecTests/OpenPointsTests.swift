import DSASpec
import PCIe
import Testing

@Suite("Open points of the checks")
struct OpenPointsTests {
    private func failure(
        _ descriptor: Descriptor, in context: CheckContext = .standard, _ change: (inout OpenPoints) -> Void
    ) -> CheckFailure? {
        var context = context
        change(&context.openPoints)
        return DescriptorChecks.firstFailure(of: descriptor, in: context)
    }

    /// Flags, a reserved byte, the size: three defects in the order of the table.
    private let broken = move.with {
        $0.flags.insert(.checkResult)
        $0.word7 = 1
        $0.transferSize = 0
    }

    @Test func `Of several defects the first of table 3_2 is reported, by configuration the last`() {
        #expect(failure(broken) { $0.checkOrder = .listed }?.status == .invalidFlags)
        #expect(failure(broken) { $0.checkOrder = .reversed }?.status == .invalidTransferSize)
        #expect(failure(move) { $0.checkOrder = .reversed } == nil)
    }

    @Test func `Whatever the order, a defect of the record's address comes before all others`() {
        let misaligned = broken.with { $0.completionRecordAddress = LinearAddress(rawValue: 0x7010) }
        for order in OpenPoints.CheckOrder.allCases {
            #expect(failure(misaligned) { $0.checkOrder = order }?.status == .completionRecordMisaligned)
        }
    }

    @Test(arguments: OpenPoints.CheckOrder.allCases)
    func `A descriptor with one defect ends with the same status in either order`(order: OpenPoints.CheckOrder) {
        for descriptor in [
            move.with { $0.transferSize = 0 }, move.with { $0.word7 = 1 }, move.with { $0.flags.insert(.checkResult) },
            move.with { $0.opcode = Opcode(rawValue: 0x3F) },
        ] {
            #expect(
                failure(descriptor) { $0.checkOrder = order } == onlyFailure(descriptor),
                "\(descriptor)")
        }
    }

    @Test func `A missing required flag is reported itself, by configuration with all that are required`() {
        let compare = validDescriptor(.compare).with { $0.flags.remove(.requestCompletionRecord) }
        let missing = failure(compare) { $0.missingFlags = .missingOnly }
        #expect(missing?.invalidFlags == .requestCompletionRecord)
        let all = failure(compare) { $0.missingFlags = .allRequired }
        #expect(all?.status == .invalidFlags)
        #expect(all?.invalidFlags == [.requestCompletionRecord, .completionRecordAddressValid])
        #expect(failure(validDescriptor(.compare)) { $0.missingFlags = .allRequired } == nil)
    }

    @Test(arguments: emulatedOperations)
    func `Flags 5 and 15 are reserved, by configuration taken`(opcode: Opcode) {
        for bit in [UInt32(1) << 5, 1 << 15] {
            let descriptor = validDescriptor(opcode).with { $0.flags.insert(DescriptorFlags(rawValue: bit)) }
            let refused = failure(descriptor) { $0.steeringTags = .reserved }
            #expect(refused?.status == .invalidFlags)
            #expect(refused?.invalidFlags.rawValue == bit)
            #expect(failure(descriptor) { $0.steeringTags = .accepted } == nil)
        }
        let sixth = validDescriptor(opcode).with { $0.flags.insert(DescriptorFlags(rawValue: 1 << 6)) }
        #expect(failure(sixth) { $0.steeringTags = .accepted }?.invalidFlags.rawValue == 1 << 6)
    }

    @Test func `Flag 16 steers a Dualcast's second destination and nothing else`() {
        let flag = DescriptorFlags(rawValue: 1 << 16)
        let dualcast = validDescriptor(.dualcast).with { $0.flags.insert(flag) }
        #expect(failure(dualcast) { $0.steeringTags = .accepted } == nil)
        #expect(failure(dualcast) { $0.steeringTags = .reserved }?.invalidFlags == flag)
        #expect(failure(move.with { $0.flags.insert(flag) }) { $0.steeringTags = .accepted }?.invalidFlags == flag)
    }
}
