import DSASpec
import PCIe
import Testing

@Suite("Flag table 1.2")
struct CheckFlagTests {
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
