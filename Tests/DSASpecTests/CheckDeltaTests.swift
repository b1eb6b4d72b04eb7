import DSASpec
import PCIe
import Testing

private let create = validDescriptor(.createDeltaRecord)
private let apply = validDescriptor(.applyDeltaRecord)

@Suite("Delta record checks")
struct CheckDeltaTests {
    @Test(arguments: [Opcode.createDeltaRecord, .applyDeltaRecord])
    func `0x13 answers a delta operation of more than 0x80000 bytes, of 0, or above the WQ's maximum`(opcode: Opcode) {
        let delta = validDescriptor(opcode).with {
            $0.sourceAddress = LinearAddress(rawValue: 0x100_0000)
            $0.destinationAddress = LinearAddress(rawValue: 0x200_0000)
        }
        let largest = delta.with { $0.transferSize = 0x8_0000 }
        #expect(DescriptorChecks.firstFailure(of: largest, in: .standard) == nil)
        let above = delta.with { $0.transferSize = 0x8_0008 }
        #expect(onlyFailure(above)?.rule == .transferSizeAboveDeltaMaximum)
        #expect(onlyFailure(above)?.status == .invalidTransferSize)
        #expect(onlyFailure(delta.with { $0.transferSize = 0 })?.rule == .transferSizeZero)
        let small = CheckContext.standard { $0.maximumTransferShift = 12 }
        let aboveMaximum = delta.with { $0.transferSize = 4104 }
        #expect(onlyFailure(aboveMaximum, in: small)?.rule == .transferSizeAboveMaximum)
    }

    @Test(arguments: zip([0, 79, 80, 4096, 4097, .max], [true, true, false, false, true, true]))
    func `0x15 answers a Maximum Delta Record Size below 80 or above the WQ's maximum - vector 2`(
        size: UInt32, isRefused: Bool
    ) {
        let context = CheckContext.standard { $0.maximumTransferShift = 12 }
        let failure = DescriptorChecks.firstFailure(of: create.with { $0.maximumDeltaRecordSize = size }, in: context)
        #expect((failure?.rule == .maximumDeltaRecordSize) == isRefused)
        #expect((failure == nil) == !isRefused)
        #expect(failure == nil || failure?.status == .invalidDeltaRecordSize)
    }

    @Test(arguments: zip([0, 9, 10, 11, 4096, 4097, .max], [true, true, false, false, false, true, true]))
    func `0x15 answers a Delta Record Size below 10 or above the WQ's maximum`(size: UInt32, isRefused: Bool) {
        let context = CheckContext.standard { $0.maximumTransferShift = 12 }
        let failure = DescriptorChecks.firstFailure(of: apply.with { $0.deltaRecordSize = size }, in: context)
        #expect((failure?.rule == .deltaRecordSize) == isRefused)
        #expect((failure == nil) == !isRefused)
        #expect(failure == nil || failure?.status == .invalidDeltaRecordSize)
    }

    @Test func `A Delta Record Size that is no multiple of 10 passes, by configuration it is refused with 0x15`() {
        let odd = apply.with { $0.deltaRecordSize = 25 }
        #expect(DescriptorChecks.firstFailure(of: odd, in: .standard) == nil)
        let refusing = CheckContext.standard { $0.openPoints.deltaFragment = .refused }
        #expect(onlyFailure(odd, in: refusing)?.rule == .deltaRecordFragment)
        #expect(onlyFailure(odd, in: refusing)?.status == .invalidDeltaRecordSize)
        #expect(DescriptorChecks.firstFailure(of: apply, in: refusing) == nil)
    }

    @Test func `0x1c answers sources, a destination or a size that is no multiple of 8`() {
        for offset in UInt64(1)..<8 {
            for changed in [
                create.with { $0.sourceAddress = $0.sourceAddress.advanced(by: offset) },
                create.with { $0.destinationAddress = $0.destinationAddress.advanced(by: offset) },
                create.with { $0.transferSize += UInt32(offset) },
                apply.with { $0.destinationAddress = $0.destinationAddress.advanced(by: offset) },
                apply.with { $0.transferSize += UInt32(offset) },
            ] {
                #expect(onlyFailure(changed)?.rule == .deltaMisaligned)
                #expect(onlyFailure(changed)?.status == .misalignedAddress)
            }
        }
    }

    @Test func `The address of a delta record needs no alignment`() {
        let created = create.with { $0.deltaRecordAddress = $0.deltaRecordAddress.advanced(by: 3) }
        #expect(DescriptorChecks.firstFailure(of: created, in: .standard) == nil)
        let applied = apply.with { $0.sourceAddress = $0.sourceAddress.advanced(by: 3) }
        #expect(DescriptorChecks.firstFailure(of: applied, in: .standard) == nil)
    }

    /// Sources of 256 bytes at 0x100000 and 0x200000, a record of at most 80.
    private static let records: [(address: UInt64, overlaps: Int)] = [
        (0x0F_FFB0, 0), (0x0F_FFB1, 1), (0x10_00FF, 1), (0x10_0100, 0),
        (0x1F_FFB0, 0), (0x1F_FFB1, 1), (0x20_00FF, 1), (0x20_0100, 0),
    ]

    @Test(arguments: records)
    func `0x16 answers a delta buffer of the maximum size that overlaps either source`(address: UInt64, count: Int) {
        let overlapping = create.with { $0.deltaRecordAddress = LinearAddress(rawValue: address) }
        let failures = DescriptorChecks.allFailures(of: overlapping, in: .standard)
        #expect(failures.map(\.rule) == Array(repeating: .overlappingBuffers, count: count))
    }

    @Test func `The sources of Create Delta Record may overlap each other`() {
        let same = create.with { $0.destinationAddress = $0.sourceAddress.advanced(by: 8) }
        #expect(DescriptorChecks.firstFailure(of: same, in: .standard) == nil)
        let between = same.with { $0.deltaRecordAddress = $0.sourceAddress.advanced(by: 128) }
        #expect(DescriptorChecks.allFailures(of: between, in: .standard).count == 2)
    }

    /// A destination of 4096 bytes at 0x200000, a record of 80.
    @Test(arguments: zip([0x1F_FFB0, 0x1F_FFB1, 0x20_0FFF, 0x20_1000] as [UInt64], [false, true, true, false]))
    func `0x16 answers a delta record that overlaps the destination`(address: UInt64, isOverlap: Bool) {
        let overlapping = apply.with { $0.sourceAddress = LinearAddress(rawValue: address) }
        #expect(
            DescriptorChecks.firstFailure(of: overlapping, in: .standard)?.status
                == (isOverlap ? .overlappingBuffers : nil))
    }
}
