import DSASpec
import PCIe
import TestKit
import Testing
import Virtualization

@testable import Machine

@Suite("XSAVES, XRSTORS and the context switch")
struct ContextSwitchTests {
    private static let mask: UInt64 = .max

    /// The XSAVE area of thread `thread` of the guest: pages 4 and 5, apart from each other and across pages.
    private static func area(_ thread: Int, of guest: Client) -> LinearAddress {
        guest.address(4 * 4096 + UInt64(thread) * 3584)
    }

    private static func makeGuest(_ fixture: MachineFixture, component: Bool = true) throws -> Client {
        let guest = try fixture.makeGuest()
        if component {
            #expect(
                fixture.machine.writeModelSpecificRegister(IA32XSS.address, value: 1 << 10, on: guest.processor)
                    == .completed(VMExit(reason: .wrmsr, instructionLength: 2)))
        }
        return guest
    }

    private static func saved(
        _ fixture: MachineFixture, _ thread: Int, of guest: Client
    ) -> PrivilegedOutcome {
        fixture.machine.saveExtendedState(to: area(thread, of: guest), mask: mask, on: guest.processor)
    }

    private static func restored(_ fixture: MachineFixture, _ thread: Int, of guest: Client) -> PrivilegedOutcome {
        fixture.machine.restoreExtendedState(from: area(thread, of: guest), mask: mask, on: guest.processor)
    }

    @Test(arguments: PropertyScale.seeds(20))
    func `C-15: a switch between the threads of a guest preserves each one's IA32_PASID, valid or not`(
        seed: UInt64
    )
        throws
    {
        let fixture = try MachineFixture()
        let guest = try Self.makeGuest(fixture)
        var generator = SeededGenerator(seed: seed)
        var registers = [IA32PASID.invalid, IA32PASID.invalid, IA32PASID.invalid]
        for thread in registers.indices { #expect(Self.saved(fixture, thread, of: guest) == .completed(nil)) }
        var current = 0
        for _ in 0..<100 {
            if generator.oneIn(2) {
                let number = UInt32.random(in: 0...0xF_FFFF, using: &generator)
                registers[current] = generator.oneIn(4) ? .invalid : IA32PASID(.guest(number))
                #expect(
                    fixture.machine.writeModelSpecificRegister(
                        IA32PASID.address, value: registers[current].rawValue, on: guest.processor)
                        == .completed(nil))
            }
            let next = Int.random(in: registers.indices, using: &generator)
            #expect(Self.saved(fixture, current, of: guest) == .completed(nil))
            #expect(Self.restored(fixture, next, of: guest) == .completed(nil))
            current = next
            #expect(fixture.core(guest.processor).ia32PASID == registers[current], "seed \(seed)")
        }
    }

    @Test func `Without component 10 in IA32_XSS a switch leaves the register of the thread before`() throws {
        let fixture = try MachineFixture()
        let guest = try Self.makeGuest(fixture, component: false)
        #expect(Self.saved(fixture, 1, of: guest) == .completed(nil))
        try fixture.setPASID(.guest(7), on: guest)
        #expect(Self.saved(fixture, 0, of: guest) == .completed(nil))
        #expect(Self.restored(fixture, 1, of: guest) == .completed(nil))
        #expect(fixture.core(guest.processor).ia32PASID == IA32PASID(.guest(7)))
    }

    @Test func `XSAVES writes a compacted image, and leaves an initial component out`() throws {
        let fixture = try MachineFixture()
        let guest = try Self.makeGuest(fixture)
        let base = Self.area(0, of: guest).rawValue - Client.base
        guest.ram[base + 576] = 0xDEAD
        #expect(Self.saved(fixture, 0, of: guest) == .completed(nil))
        #expect(guest.ram[base + 512] == 0)
        #expect(guest.ram[base + 520] == UInt64(1) << 63 | 1 << 10 | 3)
        #expect(guest.ram[base + 576] == 0xDEAD)
        try fixture.setPASID(.guest(0xA_BCDE), on: guest)
        #expect(Self.saved(fixture, 0, of: guest) == .completed(nil))
        #expect(guest.ram[base + 512] == 1 << 10)
        #expect(guest.ram[base + 576] == 0x800A_BCDE)
        #expect((0..<64).allSatisfy { guest.ram[base + UInt64($0) * 8] == 0 }, "the legacy region is not touched")
    }

    @Test func `XRSTORS refuses a header that is not one of its own with #GP(0)`() throws {
        let fixture = try MachineFixture()
        let guest = try Self.makeGuest(fixture)
        try fixture.setPASID(.guest(7), on: guest)
        #expect(Self.saved(fixture, 0, of: guest) == .completed(nil))
        let base = Self.area(0, of: guest).rawValue - Client.base
        let damages: [(offset: UInt64, value: UInt64, cause: GeneralProtectionCause)] = [
            (520, 1 << 10 | 3, .malformedArea), (520, 1 << 63 | 1 << 11 | 3, .malformedArea),
            (520, 1 << 63 | 3, .malformedArea), (528, 1, .malformedArea), (568, 1 << 63, .malformedArea),
            (576, 1 << 20, .reservedRegisterBits),
        ]
        for damage in damages {
            let intact = guest.ram[base + damage.offset]
            guest.ram[base + damage.offset] = damage.value
            let before = fixture.core(guest.processor)
            #expect(Self.restored(fixture, 0, of: guest) == .exception(.generalProtection(damage.cause), nil))
            #expect(fixture.core(guest.processor) == before)
            guest.ram[base + damage.offset] = intact
        }
        #expect(Self.restored(fixture, 0, of: guest) == .completed(nil))
    }

    @Test func `XSAVES and XRSTORS need CPL 0, an aligned area and the control of the VMCS`() throws {
        let fixture = try MachineFixture()
        let guest = try Self.makeGuest(fixture)
        let aligned = Self.area(0, of: guest)
        func both(_ area: LinearAddress) -> [PrivilegedOutcome] {
            [
                fixture.machine.saveExtendedState(to: area, mask: Self.mask, on: guest.processor),
                fixture.machine.restoreExtendedState(from: area, mask: Self.mask, on: guest.processor),
            ]
        }
        #expect(
            both(aligned.advanced(by: 32)).allSatisfy { $0 == .exception(.generalProtection(.misalignedArea), nil) })
        fixture.machine.setPrivilegeLevel(.user, on: guest.processor)
        #expect(both(aligned).allSatisfy { $0 == .exception(.generalProtection(.privilegeLevel), nil) })
        fixture.machine.setPrivilegeLevel(.supervisor, on: guest.processor)
        fixture.machine.processors[guest.processor].vmcs.secondaryControls.remove(.enableXSAVES)
        #expect(both(aligned).allSatisfy { $0 == .exception(.invalidOpcode(.notEnumerated), nil) })
    }

    @Test func `Bit 10 of the XSS-exiting bitmap makes XSAVES exit with 63 and XRSTORS with 64`() throws {
        let fixture = try MachineFixture()
        let guest = try Self.makeGuest(fixture)
        try fixture.setPASID(.guest(7), on: guest)
        fixture.machine.processors[guest.processor].vmcs.xssExitingBitmap = 1 << 10
        #expect(
            Self.saved(fixture, 0, of: guest) == .completed(VMExit(reason: .xsaves, instructionLength: 4)))
        try fixture.setPASID(.guest(9), on: guest)
        #expect(
            Self.restored(fixture, 0, of: guest) == .completed(VMExit(reason: .xrstors, instructionLength: 4)))
        #expect(fixture.core(guest.processor).ia32PASID == IA32PASID(.guest(7)), "it was emulated")
        #expect(fixture.core(guest.processor).counters.exits[.xsaves] == 1)
        #expect(fixture.core(guest.processor).counters.exits[.xrstors] == 1)
    }

    @Test func `An area that the guest has not mapped raises #PF, and one that its VM has not, exit 48`() throws {
        let fixture = try MachineFixture()
        let guest = try Self.makeGuest(fixture)
        let unmapped = LinearAddress(rawValue: Client.base + 300 * 4096)
        guard
            case .exception(.pageFault(let address, let code), nil) = fixture.machine.saveExtendedState(
                to: unmapped, mask: Self.mask, on: guest.processor)
        else {
            Issue.record("no #PF")
            return
        }
        #expect(address == unmapped.advanced(by: 512) && code == .write)
        fixture.machine.setPageTables(nil, on: guest.processor)
        guard
            case .exception(.pageFault, let exit?) = fixture.machine.restoreExtendedState(
                from: LinearAddress(rawValue: 0x7777_0000), mask: Self.mask, on: guest.processor)
        else {
            Issue.record("no exit")
            return
        }
        #expect(exit.reason == .eptViolation && exit.guestPhysicalAddress.rawValue == 0x7777_0200)
    }
}
