import DSASpec
import PCIe
import Testing

@Suite("Status table 2.3")
struct CheckStatusTests {
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
        let isEmulated = emulatedOperations.contains(opcode) || opcode == .translationFetch
        #expect((failure == nil) == isEmulated)
        #expect(failure == nil || failure?.status == .unsupportedOperation)
        #expect(OpcodeSet.emulated.contains(opcode) == isEmulated)
    }

    @Test(arguments: [Opcode.batch, .drain])
    func `0x10 answers Batch and Drain in a batch`(opcode: Opcode) {
        let member = CheckContext.standard { $0.isBatchMember = true }
        #expect(onlyFailure(validDescriptor(opcode), in: member)?.rule == .operationInBatch)
    }

    @Test(arguments: zip([0, 1, 4096, 4097], [true, false, false, true]))
    func `0x13 answers a Transfer Size of 0 or above the WQ's maximum - vector 13`(size: UInt32, isRefused: Bool) {
        let context = CheckContext.standard { $0.maximumTransferShift = 12 }
        for opcode in byteOperations {
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

    @Test(
        arguments: zip(
            UInt16(0)...9, [nil, nil, nil, nil, nil, nil, nil, nil, nil, CheckRule.interruptHandleOutOfRange]))
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
