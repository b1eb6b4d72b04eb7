import PCIe
import Testing
import Virtualization

@Suite("Logical processor")
struct LogicalProcessorTests {
    private static let thread = LogicalProcessor(mode: .native(ProcessID(rawValue: 1)))

    private static func hostPASID(_ value: UInt32) -> HostPASID { HostPASID(truncating: value) }

    @Test func `IA32_PASID is MSR 0D93H with the PASID in bits 19:0 and valid in bit 31`() throws {
        #expect(IA32PASID.address == 0x0D93)
        let register = try #require(IA32PASID(rawValue: 0x800A_BCDE))
        #expect(register.isValid)
        #expect(register.hostPASID.rawValue == 0xA_BCDE)
        #expect(register.guestPASID.rawValue == 0xA_BCDE)
        #expect(IA32PASID(Self.hostPASID(0xF_FFFF)).rawValue == 0x800F_FFFF)
        #expect(IA32PASID(GuestPASID(truncating: 5)).rawValue == 0x8000_0005)
        #expect(IA32PASID(rawValue: 0x0000_0007)?.isValid == false)
    }

    @Test(arguments: Array(20..<31) + Array(32..<64))
    func `WRMSR of IA32_PASID with a reserved bit raises #GP(0) and changes nothing`(bit: Int) {
        var processor = Self.thread
        processor.privilegeLevel = .supervisor
        #expect(processor.writeModelSpecificRegister(0xD93, value: 0x8000_0009) == nil)
        let before = processor
        let exception = processor.writeModelSpecificRegister(0xD93, value: 0x8000_0001 | 1 << UInt64(bit))
        #expect(exception == .generalProtection(.reservedRegisterBits))
        #expect(processor == before)
    }

    @Test(arguments: [PrivilegeLevel.ring1, .ring2, .user])
    func `WRMSR above CPL 0 raises #GP(0)`(level: PrivilegeLevel) {
        var processor = Self.thread
        processor.privilegeLevel = level
        #expect(
            processor.writeModelSpecificRegister(0xD93, value: 0x8000_0001) == .generalProtection(.privilegeLevel))
        #expect(processor.ia32PASID == .invalid)
    }

    @Test func `RDMSR returns IA32_PASID at CPL 0 and raises #GP(0) above it, or for another MSR`() {
        var processor = LogicalProcessor.thread(pasid: 7, privilegeLevel: .supervisor)
        #expect(processor.readModelSpecificRegister(0xD93) == .value(0x8000_0007))
        #expect(processor.readModelSpecificRegister(0xDA1) == .exception(.generalProtection(.unknownRegister)))
        processor.privilegeLevel = .user
        #expect(processor.readModelSpecificRegister(0xD93) == .exception(.generalProtection(.privilegeLevel)))
    }

    @Test func `WRMSR of another MSR, or of IA32_PASID without ENQCMD in CPUID, raises #GP(0)`() {
        var processor = Self.thread
        processor.privilegeLevel = .supervisor
        #expect(processor.writeModelSpecificRegister(0xDA1, value: 0) == .generalProtection(.unknownRegister))
        var old = LogicalProcessor(mode: .native(ProcessID(rawValue: 1)), features: .movdir64b)
        old.privilegeLevel = .supervisor
        #expect(old.writeModelSpecificRegister(0xD93, value: 0) == .generalProtection(.unknownRegister))
    }

    @Test func `C-12: the lazy #GP fix-up happens once per thread, then the thread gets its signal`() {
        var processor = Self.thread
        #expect(processor.fixUpGeneralProtection(processPASID: Self.hostPASID(77)) == true)
        #expect(processor.ia32PASID == IA32PASID(Self.hostPASID(77)))
        #expect(processor.counters.generalProtectionFixups == 1)
        let fixed = processor
        #expect(processor.fixUpGeneralProtection(processPASID: Self.hostPASID(77)) == false)
        #expect(processor == fixed)
    }

    @Test func `The lazy #GP fix-up leaves a thread without process PASID or without ENQCMD alone`() {
        var processor = Self.thread
        #expect(processor.fixUpGeneralProtection(processPASID: nil) == false)
        #expect(processor == Self.thread)
        var old = LogicalProcessor(mode: .native(ProcessID(rawValue: 1)), features: .movdir64b)
        #expect(old.fixUpGeneralProtection(processPASID: Self.hostPASID(1)) == false)
        #expect(old.ia32PASID == .invalid)
    }

    @Test func `C-13: a new thread starts with IA32_PASID invalid, and a forked child has no PASID to load`() {
        var parent = Self.thread
        #expect(parent.fixUpGeneralProtection(processPASID: Self.hostPASID(9)) == true)
        let sibling = LogicalProcessor(mode: parent.mode)
        #expect(!sibling.ia32PASID.isValid)
        #expect(!sibling.isPASIDActivated)
        var child = LogicalProcessor(mode: .native(ProcessID(rawValue: 2)))
        #expect(child.fixUpGeneralProtection(processPASID: nil) == false)
        #expect(!child.ia32PASID.isValid)
    }

    @Test func `C-14: two threads of one process load the same PASID, threads of two processes different ones`() {
        var first = LogicalProcessor(mode: .native(ProcessID(rawValue: 1)))
        var second = LogicalProcessor(mode: .native(ProcessID(rawValue: 1)))
        var foreign = LogicalProcessor(mode: .native(ProcessID(rawValue: 2)))
        #expect(first.fixUpGeneralProtection(processPASID: Self.hostPASID(3)) == true)
        #expect(second.fixUpGeneralProtection(processPASID: Self.hostPASID(3)) == true)
        #expect(foreign.fixUpGeneralProtection(processPASID: Self.hostPASID(4)) == true)
        #expect(first.ia32PASID == second.ia32PASID)
        #expect(first.ia32PASID != foreign.ia32PASID)
    }

    @Test func `CPUID enumerates MOVDIR64B in bit 28 and ENQCMD in bit 29`() {
        #expect(ProcessorFeatures.movdir64b.rawValue == 0x1000_0000)
        #expect(ProcessorFeatures.enqcmd.rawValue == 0x2000_0000)
    }

    @Test func `The status flags stand at their RFLAGS positions`() {
        let flags: [StatusFlags] = [.carry, .parity, .auxiliaryCarry, .zero, .sign, .overflow]
        #expect(flags.map(\.rawValue) == [0x001, 0x004, 0x010, 0x040, 0x080, 0x800])
    }

    @Test func `Exceptions carry their vector, error code and name`() {
        let undefined = ProcessorException.invalidOpcode(.lockPrefix)
        #expect((undefined.vector, undefined.errorCode, undefined.mnemonic) == (6, nil, "#UD"))
        let protection = ProcessorException.generalProtection(.misalignedDestination)
        #expect((protection.vector, protection.errorCode, protection.mnemonic) == (13, 0, "#GP(0)"))
        let fault = ProcessorException.pageFault(address: LinearAddress(rawValue: 0x1000), code: [.write, .user])
        #expect((fault.vector, fault.errorCode, fault.mnemonic) == (14, 6, "#PF"))
    }
}
