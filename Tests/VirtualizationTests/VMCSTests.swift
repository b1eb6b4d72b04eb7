import IOMMU
import PCIe
import Testing
import Virtualization

@Suite("VMCS")
struct VMCSTests {
    @Test func `PASID translation is bit 21 of the secondary controls`() throws {
        var vmcs = VMCS()
        try vmcs.write(1 << 21, to: .secondaryProcessorControls)
        #expect(vmcs.secondaryControls == .pasidTranslation)
        #expect(try vmcs.read(VMCSField(rawValue: 0x401E)) == 0x20_0000)
    }

    @Test(arguments: [UInt32(0x2038), 0x203A])
    func `A PASID directory address has 64 bits, its upper half at the next encoding`(encoding: UInt32) throws {
        var vmcs = VMCS()
        let field = VMCSField(rawValue: encoding)
        let upper = VMCSField(rawValue: encoding + 1)
        try vmcs.write(0x000A_BCDE_1234_5000, to: field)
        #expect(try vmcs.read(upper) == 0x000A_BCDE)
        try vmcs.write(0xFFFF_FFFF_0000_0001, to: upper)
        #expect(try vmcs.read(field) == 0x0000_0001_1234_5000)
        let directory = encoding == 0x2038 ? vmcs.lowPASIDDirectory : vmcs.highPASIDDirectory
        #expect(directory.rawValue == 0x0000_0001_1234_5000)
    }

    @Test(arguments: [UInt32(0x4402), 0x440C, 0x6400, 0x2400, 0x2401])
    func `VMWRITE of exit information fails with error 13`(encoding: UInt32) {
        var vmcs = VMCS()
        #expect(throws: VMInstructionError.readOnlyField) {
            try vmcs.write(1, to: VMCSField(rawValue: encoding))
        }
        #expect(vmcs == VMCS())
        #expect(VMInstructionError.readOnlyField.rawValue == 13)
    }

    @Test(arguments: [UInt32(0x203C), 0x401F, 0x6401, 0x681C])
    func `VMREAD and VMWRITE of a field that does not exist fail with error 12`(encoding: UInt32) {
        var vmcs = VMCS()
        #expect(throws: VMInstructionError.unsupportedField) { try vmcs.read(VMCSField(rawValue: encoding)) }
        #expect(throws: VMInstructionError.unsupportedField) {
            try vmcs.write(1, to: VMCSField(rawValue: encoding))
        }
        #expect(VMInstructionError.unsupportedField.rawValue == 12)
    }

    @Test func `A VM exit fills the exit information`() throws {
        var processor = LogicalProcessor.vcpu(pasid: 1)
        var vmcs = VMCS()
        #expect(try vmcs.read(.exitReason) == 0)
        processor.take(
            VMExit(
                reason: .eptViolation, qualification: 2, instructionLength: 5,
                guestPhysicalAddress: GuestPhysicalAddress(rawValue: 0x1_2345_6000)), recordingIn: &vmcs)
        #expect(try vmcs.read(.exitReason) == 48)
        #expect(try vmcs.read(.exitQualification) == 2)
        #expect(try vmcs.read(.exitInstructionLength) == 5)
        #expect(try vmcs.read(.guestPhysicalAddress) == 0x1_2345_6000)
        #expect(try vmcs.read(VMCSField(rawValue: 0x2401)) == 1)
        #expect(processor.counters.exits[.eptViolation] == 1)
    }

    @Test func `VM entry accepts a VMCS that translates by a VM's table`() throws {
        let memory = PhysicalMemory(frameCount: 2)
        let table = try makeTable(in: memory)
        let vmcs = VMCS(translatingBy: table)
        #expect(vmcs.lowPASIDDirectory == table.lowDirectory)
        #expect(vmcs.highPASIDDirectory == table.highDirectory)
        try vmcs.checkEntry()
    }

    @Test(arguments: [false, true], Array(0..<12))
    func `VM entry refuses a PASID directory that is not 4 KiB aligned`(high: Bool, bit: Int) {
        var vmcs = VMCS()
        let address = HostPhysicalAddress(rawValue: 0x4000 | 1 << UInt64(bit))
        vmcs.primaryControls = .activateSecondaryControls
        vmcs.secondaryControls = .pasidTranslation
        if high { vmcs.highPASIDDirectory = address } else { vmcs.lowPASIDDirectory = address }
        #expect(throws: VMEntryFailure.misalignedDirectory(address)) { try vmcs.checkEntry() }
    }

    @Test(arguments: [false, true])
    func `VM entry refuses a PASID directory beyond the physical address width`(high: Bool) throws {
        var vmcs = VMCS()
        let address = HostPhysicalAddress(rawValue: 1 << 46)
        vmcs.primaryControls = .activateSecondaryControls
        vmcs.secondaryControls = .pasidTranslation
        if high { vmcs.highPASIDDirectory = address } else { vmcs.lowPASIDDirectory = address }
        try vmcs.checkEntry(physicalAddressWidth: 47)
        #expect(throws: VMEntryFailure.directoryBeyondPhysicalWidth(address)) {
            try vmcs.checkEntry(physicalAddressWidth: 46)
        }
    }

    @Test func `VM entry ignores the directories while PASID translation is off, and refuses unknown controls`() throws
    {
        var vmcs = VMCS()
        vmcs.lowPASIDDirectory = HostPhysicalAddress(rawValue: 1)
        try vmcs.checkEntry()
        vmcs.secondaryControls = SecondaryProcessorControls(rawValue: 1 << 19)
        try vmcs.checkEntry()
        vmcs.primaryControls = .activateSecondaryControls
        #expect(throws: VMEntryFailure.unsupportedControls(SecondaryProcessorControls(rawValue: 1 << 19))) {
            try vmcs.checkEntry()
        }
    }
}
