import DSA
import DSASpec
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("Lazy load of IA32_PASID")
struct LazyLoadTests {
    @Test func `C-12: the fix-up happens once, and a thread that faults again gets its exception`() throws {
        let fixture = try MachineFixture()
        let (process, ioasid) = try fixture.makeBoundProcess()
        #expect(fixture.machine.fixupCount(process.processor) == 0)
        for _ in 0..<3 {
            #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted)
            #expect(fixture.machine.fixupCount(process.processor) == 1)
        }
        #expect(fixture.core(process.processor).ia32PASID == IA32PASID(ioasid))

        // Another #GP, and the register cleared: no second load either way.
        var wrong = fixture.noOp(record: 0)
        wrong.firstDword = 1
        #expect(fixture.enqcmd(wrong, on: process) == .generalProtection(.sourceDwordNotZero))
        fixture.machine.processors[process.processor].core.ia32PASID = .invalid
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .generalProtection(.invalidPASIDRegister))
        #expect(fixture.machine.fixupCount(process.processor) == 1)
    }

    @Test func `C-12: the handler cannot see the cause, so another #GP(0) uses the fix-up up`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        var wrong = fixture.noOp(record: 0)
        wrong.firstDword = 1
        #expect(fixture.enqcmd(wrong, on: process) == .generalProtection(.sourceDwordNotZero))
        #expect(fixture.machine.fixupCount(process.processor) == 1)
        #expect(fixture.core(process.processor).ia32PASID.isValid)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted)
        #expect(fixture.machine.fixupCount(process.processor) == 1)
    }

    @Test func `No fix-up happens in a process without PASID, nor in a guest`() throws {
        let fixture = try MachineFixture()
        let process = try fixture.makeProcess()
        let guest = try fixture.makeGuest()
        try fixture.bind(.guest(7), of: guest)
        for client in [process, guest] {
            #expect(fixture.enqcmd(fixture.noOp(record: 0), on: client) == .generalProtection(.invalidPASIDRegister))
            #expect(fixture.machine.fixupCount(client.processor) == 0)
        }
        // The failed attempt has not used it up.
        try fixture.bind(process)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted)
    }

    @Test func `C-13: a new thread starts with IA32_PASID invalid although its process has a PASID`() throws {
        let fixture = try MachineFixture()
        let (process, ioasid) = try fixture.makeBoundProcess()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: process) == .accepted)
        let second = fixture.machine.addThread(toProcess: process.process)
        #expect(fixture.core(second).ia32PASID == .invalid)
        #expect(fixture.submit(.enqcmd, fixture.noOp(record: 1), on: second) == .accepted)
        #expect(fixture.core(second).ia32PASID == IA32PASID(ioasid))
        #expect(fixture.machine.fixupCount(second) == 1)

        let child = try fixture.makeProcess()
        #expect(fixture.machine.pasid(ofProcess: child.process) == nil, "a new process has no PASID")
        #expect(fixture.core(child.processor).ia32PASID == .invalid)
    }

    @Test func `C-14: threads of one process submit with one PASID, and two processes never do`() throws {
        let fixture = try MachineFixture()
        fixture.holdEngines()
        let (first, firstIOASID) = try fixture.makeBoundProcess()
        let (second, secondIOASID) = try fixture.makeBoundProcess()
        #expect(firstIOASID != secondIOASID)
        let threads = [first.processor, fixture.machine.addThread(toProcess: first.process)]
        for (slot, thread) in threads.enumerated() {
            #expect(fixture.submit(.enqcmd, fixture.noOp(record: slot), on: thread) == .accepted)
        }
        #expect(fixture.enqcmd(fixture.noOp(record: 2), on: second) == .accepted)
        for (slot, ioasid) in [(0, firstIOASID), (1, firstIOASID), (2, secondIOASID)] {
            let expected = fixture.noOp(record: slot).command(ioasid)
            let isThere = fixture.queue().contains { $0.descriptor == expected }
            #expect(isThere)
        }
        fixture.holdEngines(false)
        fixture.run()
        #expect([first.ram.status(0), first.ram.status(1), first.ram.status(2)] == [.success, .success, .none])
        #expect([second.ram.status(0), second.ram.status(1), second.ram.status(2)] == [.none, .none, .success])
    }

    @Test func `After an unbind no thread has the old PASID, and after the next bind each loads the new one`() throws {
        let fixture = try MachineFixture()
        let (process, old) = try fixture.makeBoundProcess()
        let second = fixture.machine.addThread(toProcess: process.process)
        for thread in [process.processor, second] {
            #expect(fixture.submit(.enqcmd, fixture.noOp(record: 0), on: thread) == .accepted)
        }
        fixture.run()
        try fixture.unbind(process)
        for thread in [process.processor, second] {
            #expect(fixture.core(thread).ia32PASID == .invalid)
            #expect(
                fixture.submit(.enqcmd, fixture.noOp(record: 1), on: thread)
                    == .generalProtection(.invalidPASIDRegister))
        }
        let new = try fixture.bind(process)
        #expect(new != old, "a freed number rests as long as it can")
        fixture.holdEngines()
        for thread in [process.processor, second] {
            #expect(fixture.submit(.enqcmd, fixture.noOp(record: 1), on: thread) == .accepted)
            #expect(fixture.core(thread).ia32PASID == IA32PASID(new))
        }
    }
}
