import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("vCPU")
struct VCPUTests {
    private static func settings(_ change: (inout VMSettings) -> Void) -> VMSettings {
        var settings = VMSettings()
        change(&settings)
        return settings
    }

    // MARK: MSRs

    @Test func `IA32_PASID is passed through unless the VM intercepts it: bit 3 of bytes 1B2H and 9B2H`() throws {
        for isIntercepted in [false, true] {
            let fixture = try MachineFixture()
            let guest = try fixture.makeGuest(settings: Self.settings { $0.interceptsPASIDRegister = isIntercepted })
            let bitmap = fixture.machine.processors[guest.processor].vmcs.msrBitmap
            for byte: UInt64 in [0x1B2, 0x9B2] {
                let loaded = fixture.memory.load64(bitmap.advanced(by: byte & ~7))
                let word = try #require(loaded)
                #expect((word >> ((byte & 7) * 8 + 3) & 1 != 0) == isIntercepted)
                #expect(word | 1 << ((byte & 7) * 8 + 3) == .max, "every other MSR exits")
            }
            let write = fixture.machine.writeModelSpecificRegister(
                IA32PASID.address, value: 0x8000_0007, on: guest.processor)
            #expect(write == .completed(isIntercepted ? VMExit(reason: .wrmsr, instructionLength: 2) : nil))
            let read = fixture.machine.readModelSpecificRegister(IA32PASID.address, on: guest.processor)
            #expect(read.read == .value(0x8000_0007))
            #expect(read.exit?.reason == (isIntercepted ? .rdmsr : nil))
            let exits = fixture.core(guest.processor).counters.exits
            #expect(exits[.wrmsr] == (isIntercepted ? 1 : 0) && exits[.rdmsr] == (isIntercepted ? 1 : 0))
        }
    }

    @Test func `An MSR that nobody passes through exits, and one that does not exist gets #GP(0) injected`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        let exit = VMExit(reason: .rdmsr, instructionLength: 2)
        let xss = fixture.machine.readModelSpecificRegister(IA32XSS.address, on: guest.processor)
        #expect(xss.read == .value(0) && xss.exit == exit)
        for register: UInt32 in [0x10, 0xC000_0080, 0x4000_0000] {
            let unknown = fixture.machine.readModelSpecificRegister(register, on: guest.processor)
            #expect(unknown.read == .exception(.generalProtection(.unknownRegister)) && unknown.exit == exit)
        }
        #expect(
            fixture.machine.writeModelSpecificRegister(IA32XSS.address, value: 1 << 11, on: guest.processor)
                == .exception(
                    .generalProtection(.reservedRegisterBits), VMExit(reason: .wrmsr, instructionLength: 2)))
        fixture.machine.setPrivilegeLevel(.user, on: guest.processor)
        let denied = fixture.machine.readModelSpecificRegister(IA32XSS.address, on: guest.processor)
        #expect(denied.read == .exception(.generalProtection(.privilegeLevel)))
        #expect(denied.exit == nil, "the fault of the CPL precedes the exit")
    }

    // MARK: CPUID

    @Test func `CPUID enumerates ENQCMD, XSAVES and component 10, and exits with 10 in a guest`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        func identify(_ leaf: UInt32, _ subleaf: UInt32) -> CPUIDResult {
            let answer = fixture.machine.identify(leaf: leaf, subleaf: subleaf, on: guest.processor)
            #expect(answer.exit == VMExit(reason: .cpuid, instructionLength: 2))
            return answer.result
        }
        #expect(identify(0, 0).eax == 0xD)
        #expect(identify(7, 0).ecx == 1 << 28 | 1 << 29)
        #expect(identify(7, 1) == CPUIDResult())
        #expect(identify(0xD, 0).eax == 3)
        #expect(identify(0xD, 1).eax & 1 << 3 != 0)
        #expect(identify(0xD, 1).ecx == 1 << 10)
        #expect(identify(0xD, 1).ebx == 576)
        _ = fixture.machine.writeModelSpecificRegister(IA32XSS.address, value: 1 << 10, on: guest.processor)
        #expect(identify(0xD, 1).ebx == 584)
        let component = identify(0xD, 10)
        #expect(component.eax == 8 && component.ebx == 0 && component.ecx == 1 && component.edx == 0)
        #expect(identify(0xD, 11) == CPUIDResult())
        #expect(fixture.core(guest.processor).counters.exits[.cpuid] == 10)
        let process = try fixture.makeProcess()
        #expect(fixture.machine.identify(leaf: 7, subleaf: 0, on: process.processor).exit == nil)
    }

    // MARK: Policies

    @Test func `Policy C injects #GP(0) for exit 72 and #UD for exit 73`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest(settings: Self.settings { $0.exitPolicy = .strict })
        try fixture.setPASID(.guest(7), on: guest)
        let before = fixture.core(guest.processor)
        let enqcmd = VMExit(reason: .enqcmd, instructionLength: 5)
        #expect(
            fixture.enqcmd(fixture.noOp(record: 0), on: guest)
                == .injected(enqcmd, .guest(7), .generalProtection(.untranslatedPASID)))
        var source = fixture.noOp(record: 0)
        source.firstDword = 9
        #expect(
            fixture.submit(.enqcmds, source, on: guest.processor)
                == .injected(
                    VMExit(reason: .enqcmds, instructionLength: 5), .guest(9), .invalidOpcode(.untranslatedPASID)))
        #expect(fixture.core(guest.processor).instructionPointer == before.instructionPointer)
        #expect(fixture.core(guest.processor).statusFlags == before.statusFlags)
        #expect(fixture.arrivals == 0)
        #expect(fixture.machine.activity(ofVCPU: guest.processor) == .nonRoot)
    }

    @Test func `Policy B binds what the vIOMMU knows, and executes the instruction again`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest(settings: Self.settings { $0.exitPolicy = .lazy })
        fixture.machine.setGuestEntry(
            .nested(firstLevel: guest.guestTables, .four), of: .guest(7), inVM: guest.vm)
        try fixture.setPASID(.guest(7), on: guest)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        #expect(fixture.core(guest.processor).counters.exits[.enqcmd] == 1)
        #expect(fixture.enqcmd(fixture.noOp(record: 1), on: guest) == .accepted)
        #expect(fixture.core(guest.processor).counters.exits[.enqcmd] == 1, "the mapping stays")
        fixture.run()
        #expect(guest.ram.status(0) == .success && guest.ram.status(1) == .success)
        let translation = fixture.machine.translation(of: .guest(7), inVM: guest.vm)
        let ioasid = try #require(translation)
        #expect(fixture.machine.describeBinding(of: ioasid)?.guestPASID == .guest(7))
        try fixture.unbind(.guest(7), of: guest)
        #expect(fixture.machine.boundCount == 0)
    }

    @Test func `V-14: two guest PASIDs share a host PASID only as policy B's default, which reaches GPAs`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest(settings: Self.settings { $0.exitPolicy = .lazy })
        let own = try fixture.bind(.guest(5), of: guest)
        for number: UInt32 in [7, 8, 0x8_0000] {
            try fixture.setPASID(.guest(number), on: guest)
            var descriptor = fixture.noOp(record: nil)
            descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
            descriptor.completionRecordAddress = LinearAddress(rawValue: UInt64(number & 0xF) * 32)
            #expect(fixture.enqcmd(descriptor, on: guest) == .accepted)
            fixture.run()
            #expect(guest.ram.status(Int(number & 0xF)) == .success, "a guest physical address")
        }
        let translation = fixture.machine.translation(of: .guest(7), inVM: guest.vm)
        let shared = try #require(translation)
        #expect(fixture.machine.translation(of: .guest(8), inVM: guest.vm) == shared)
        #expect(fixture.machine.translation(of: .guest(0x8_0000), inVM: guest.vm) == shared)
        #expect(shared != own && fixture.machine.describeBinding(of: shared)?.guestPASID == nil)
        // A bind of one of them takes it out of the default.
        let bound = try fixture.bind(.guest(7), of: guest)
        #expect(bound != shared)
        #expect(fixture.machine.translation(of: .guest(7), inVM: guest.vm) == bound)
        #expect(fixture.machine.translation(of: .guest(8), inVM: guest.vm) == shared)
        // Everything goes with the VM.
        let tokens = fixture.machine.freeAllIOASIDs(ofVM: guest.vm)
        #expect(tokens.count == 3)
        #expect(Set(fixture.takeDrainedTokens()) == Set(tokens))
        for token in tokens { fixture.machine.completeUnbind(token) }
        #expect(fixture.machine.translation(of: .guest(8), inVM: guest.vm) == nil)
        #expect(fixture.machine.ioasids.allocatedCount == 0)
        #expect(fixture.machine.boundCount == 0)
    }

    @Test func `Policy B without an IOASID left answers as policy A, and sends nothing`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest(quota: 1, settings: Self.settings { $0.exitPolicy = .lazy })
        try fixture.bind(.guest(5), of: guest)
        try fixture.setPASID(.guest(7), on: guest)
        guard case .skipped = fixture.enqcmd(fixture.noOp(record: 0), on: guest) else {
            Issue.record("it was not skipped")
            return
        }
        #expect(fixture.arrivals == 0)
    }

    @Test func `V-13: a VM without the control gets no portal`() throws {
        let fixture = try MachineFixture()
        let (vm, _) = try fixture.machine.makeVM(
            quota: 4, settings: Self.settings { $0.translatesPASIDs = false })
        let portal = PortalPage.shared().portal
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.mapPortal(
                    portal.1, ofDevice: portal.device, at: nil, in: .virtualMachine(vm))
            } == .pasidTranslationOff)
        #expect(fixture.machine.mappings(of: .virtualMachine(vm)).isEmpty)
        let vcpu = fixture.machine.addVCPU(toVM: vm)
        #expect(!fixture.machine.processors[vcpu].vmcs.activeSecondaryControls.contains(.pasidTranslation))
    }
}
