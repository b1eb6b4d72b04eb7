import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

@Suite("Mappings")
struct MappingTests {
    /// A descriptor's end on the processor's and the device's access to page 2: can each write, can each read.
    private func access(_ fixture: MachineFixture, _ client: Client) -> [Bool] {
        fixture.run()
        for slot in 0..<2 { client.ram[UInt64(slot) * 32] = 0 }
        let write = fixture.machine.submit(
            .movdir64b, destination: LinearAddress(rawValue: client.page(2)), source: .bytes(Descriptor()),
            on: client.processor)
        let read = fixture.machine.submit(
            .movdir64b, destination: LinearAddress(rawValue: client.page(1)),
            source: .address(LinearAddress(rawValue: client.page(2))), on: client.processor)
        _ = fixture.enqcmd(fixture.fill(0, at: client.page(2), size: 8, record: 0), on: client)
        _ = fixture.enqcmd(fixture.move(from: client.page(2), to: client.page(1), size: 8, record: 1), on: client)
        fixture.run()
        return [
            write == .retired([]), client.ram.status(0) == .success, read == .retired([]),
            client.ram.status(1) == .success,
        ]
    }

    private func clients(_ fixture: MachineFixture) throws -> [(Client, pageTwo: UInt64)] {
        let (process, _) = try fixture.makeBoundProcess()
        let (guest, _) = try fixture.makeBoundGuest(.guest(7))
        return [(process, process.page(2)), (guest, 8192)]
    }

    @Test func `Protection binds the processor and the device alike, and can be taken back`() throws {
        let fixture = try MachineFixture()
        for (client, page) in try clients(fixture) {
            #expect(access(fixture, client) == [true, true, true, true])
            try fixture.machine.protect(page, byteCount: 4096, access: .readOnly, in: client.space)
            #expect(access(fixture, client) == [false, false, true, true])
            try fixture.machine.protect(page, byteCount: 4096, access: .none, in: client.space)
            #expect(access(fixture, client) == [false, false, false, false])
            // Neighbours are as they were; the owner's own view is too.
            #expect(
                fixture.enqcmd(fixture.fill(0, at: client.page(3), size: 4096, record: 5), on: client) == .accepted)
            fixture.run()
            #expect(client.ram.status(5) == .success)
            #expect(fixture.hasPointer(to: page, byteCount: 4096, in: client.space) == true)
            try fixture.machine.protect(page, byteCount: 4096, access: .readWrite, in: client.space)
            #expect(access(fixture, client) == [true, true, true, true])
        }
    }

    @Test func `A change of the page tables invalidates, also while the PASID drains`() throws {
        let fixture = try MachineFixture()
        for (client, page) in try clients(fixture) {
            fixture.holdEngines()
            #expect(fixture.enqcmd(fixture.noOp(record: 0), on: client) == .accepted)
            for isUnbinding in [false, true] {
                if isUnbinding {
                    _ =
                        switch client.space {
                        case .process(let index): try fixture.machine.beginUnbind(ofProcess: index, device: nil)
                        case .virtualMachine(let index):
                            try fixture.machine.beginUnbind(ofGuest: .guest(7), inVM: index, device: nil)
                        }
                }
                for access in [MemoryAccess.readOnly, .none, .readWrite] {
                    let before = fixture.machine.iommu.invalidationCount
                    try fixture.machine.protect(page, byteCount: 4096, access: access, in: client.space)
                    #expect(fixture.machine.iommu.invalidationCount == before + 1)
                }
            }
            fixture.holdEngines(false)
            fixture.run()
        }
    }

    @Test func `Memory that its lender made read-only stays so`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let ram = try fixture.addRAM(pageCount: 2)
        let start = try fixture.machine.mapMemory(
            ram.start, byteCount: 8192, isReadOnly: true, at: nil, in: process.space)
        #expect(fixture.enqcmd(fixture.fill(1, at: start, size: 8, record: 0), on: process) == .accepted)
        #expect(
            fixture.enqcmd(fixture.move(from: start, to: process.page(1), size: 8, record: 1), on: process)
                == .accepted)
        fixture.run()
        #expect(process.ram.status(0) == .pageFault)
        #expect(process.ram.status(1) == .success)
        #expect(
            machineError { () throws(MachineError) in
                try fixture.machine.protect(start, byteCount: 4096, access: .readWrite, in: process.space)
            } == .address(.readOnly))
        try fixture.machine.protect(start, byteCount: 4096, access: .none, in: process.space)
        try fixture.machine.protect(start, byteCount: 4096, access: .readOnly, in: process.space)
    }

    @Test func `What cannot be mapped, protected or unmapped is refused with its reason`() throws {
        let fixture = try MachineFixture()
        let process = try fixture.makeProcess()
        let space = process.space
        let portal = PortalPage.shared().linear.rawValue
        func protect(_ start: UInt64, _ byteCount: UInt64) -> MachineError? {
            machineError { () throws(MachineError) in
                try fixture.machine.protect(start, byteCount: byteCount, access: .readOnly, in: space)
            }
        }
        #expect(protect(process.page(1) + 8, 4096) == .address(.notPageAligned))
        #expect(protect(process.page(1), 100) == .address(.notPageAligned))
        #expect(protect(process.page(1), 0) == .address(.notPageAligned))
        #expect(protect(process.page(15), 8192) == .address(.notMapped))
        #expect(protect(0x7000_0000, 4096) == .address(.notMapped))
        #expect(protect(portal, 4096) == .address(.notMemory))
        func map(_ at: UInt64) -> MachineError? {
            machineError { () throws(MachineError) in
                _ = try fixture.machine.mapMemory(
                    process.ram.start, byteCount: 4096, isReadOnly: false, at: at, in: space)
            }
        }
        #expect(map(process.page(3)) == .address(.occupied))
        #expect(map(portal) == .address(.occupied))
        #expect(map(1 << 47) == .address(.outOfRange))
        #expect(map(12) == .address(.notPageAligned))
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.mapPortal(PortalPage.shared().portal.1, ofDevice: 3, at: nil, in: space)
            } == .unknownDevice(3))
        #expect(
            machineError { () throws(MachineError) in
                _ = try fixture.machine.unmap(startingAt: process.page(1), from: space)
            } == .address(.notMapped))
        #expect(fixture.hasPointer(to: portal, byteCount: 8, in: space) == false, "a portal has no bytes")
        #expect(fixture.hasPointer(to: process.page(15), byteCount: 4097, in: space) == false)
    }

    @Test func `An unmapped range faults, for the processor and for descriptors accepted before`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let ram = try fixture.addRAM(pageCount: 600)
        let start = try fixture.machine.mapMemory(
            ram.start, byteCount: 600 * 4096, isReadOnly: false, at: nil, in: process.space)
        #expect(start % (2 << 20) == 0, "a range of 2 MiB is aligned to it")
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.fill(.max, at: start, size: 64, record: 0), on: process) == .accepted)
        let frames = fixture.memory.frameCountInUse
        let mapping = try fixture.machine.unmap(startingAt: start, from: process.space)
        #expect(mapping.byteCount == 600 * 4096 && mapping.content == .memory(ram.start))
        #expect(fixture.memory.frameCountInUse < frames)
        fixture.holdEngines(false)
        fixture.run()
        #expect(process.ram.status(0) == .pageFault)
        #expect(ram[0] == 0)
        let outcome = fixture.machine.submit(
            .movdir64b, destination: LinearAddress(rawValue: start), source: .bytes(Descriptor()),
            on: process.processor)
        guard case .exception(.pageFault) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(fixture.hasPointer(to: start, byteCount: 8, in: process.space) == false)
    }

    @Test func `A portal can be withdrawn`() throws {
        let fixture = try MachineFixture()
        let (process, _) = try fixture.makeBoundProcess()
        let portal = PortalPage.shared().linear
        let mapping = try fixture.machine.unmap(startingAt: portal.rawValue, from: process.space)
        #expect(mapping.content == .portal(device: 0, PortalPage.shared().portal.1))
        #expect(
            fixture.enqcmd(fixture.noOp(record: 0), on: process)
                == .exception(.pageFault(address: portal, code: [.write, .user])))
        #expect(fixture.arrivals == 0)
    }
}

@Suite("Waiting for windows")
struct WindowWaitTests {
    private func longMove(_ fixture: MachineFixture, _ client: Client, record slot: Int) -> Descriptor {
        fixture.move(from: client.page(1), to: client.page(50), size: 100 << 10, record: slot)
    }

    @Test func `Without windows out the answer comes at once`() throws {
        let fixture = try MachineFixture()
        fixture.machine.whenWindowsReturn(token: 3)
        #expect(fixture.takeReturned() == [3])
    }

    @Test func `It waits for the windows that are out, run or not, and for no later ones`() throws {
        let fixture = try MachineFixture(deviceCount: 2, engineCount: 2)
        let process = try fixture.makeProcess(pageCount: 100)
        try fixture.bind(process)
        try fixture.bind(process, device: 1)
        #expect(fixture.enqcmd(longMove(fixture, process, record: 0), on: process) == .accepted)
        #expect(fixture.enqcmd(longMove(fixture, process, record: 1), on: process, to: .shared(1)) == .accepted)
        _ = fixture.machine.step(runsInline: false)
        let first = try #require(fixture.takeWindow())
        fixture.machine.whenWindowsReturn(token: 1)

        // One more goes out after the call.
        #expect(fixture.enqcmd(longMove(fixture, process, record: 2), on: process) == .accepted)
        _ = fixture.machine.step(runsInline: false)
        fixture.machine.whenWindowsReturn(token: 2)
        let others = [try #require(fixture.takeWindow()), try #require(fixture.takeWindow())]

        first.run()
        fixture.machine.finishWindow(device: first.device, engine: first.engine)
        #expect(fixture.takeReturned().isEmpty)
        let onSecondDevice = try #require(others.first { $0.device == 1 })
        onSecondDevice.run()
        fixture.machine.finishWindow(device: 1, engine: onSecondDevice.engine)
        #expect(fixture.takeReturned() == [1])
        let last = try #require(others.first { $0.device == 0 })
        last.run()
        fixture.machine.finishWindow(device: 0, engine: last.engine)
        #expect(fixture.takeReturned() == [2])
        #expect((0..<3).allSatisfy { process.ram.status($0) == .success })
    }

    @Test func `A page taken away under a running window is still there for it`() throws {
        let fixture = try MachineFixture()
        let process = try fixture.makeProcess()
        try fixture.bind(process)
        let ram = try fixture.addRAM(pageCount: 100)
        let start = try fixture.machine.mapMemory(
            ram.start, byteCount: 100 * 4096, isReadOnly: false, at: nil, in: process.space)
        let fill = fixture.fill(.max, at: start, size: 100 * 4096, record: 0)
        #expect(fixture.enqcmd(fill, on: process) == .accepted)
        _ = fixture.machine.step(runsInline: false)
        let window = try #require(fixture.takeWindow())
        _ = try fixture.machine.unmap(startingAt: start, from: process.space)
        fixture.machine.whenWindowsReturn(token: 1)
        #expect(fixture.takeReturned().isEmpty, "the memory must stay")
        window.run()
        fixture.machine.finishWindow(device: 0, engine: window.engine)
        #expect(fixture.takeReturned() == [1])
        // The first window, 64 pages, was resolved before; the rest is not there any more.
        fixture.run()
        #expect(process.ram.status(0) == .pageFault)
        #expect(process.ram.record(0).bytesCompleted == 64 * 4096)
        #expect(ram[64 * 4096 - 8] == .max && ram[64 * 4096] == 0)
    }
}

extension MachineFixture {
    /// Whether the owner of `space` finds bytes there.
    func hasPointer(to address: UInt64, byteCount: UInt64, in space: AddressSpaceIndex) -> Bool {
        unsafe machine.pointer(to: address, byteCount: byteCount, in: space) != nil
    }

    /// The tokens of the waits for windows that have ended, taken out of the effects.
    fileprivate func takeReturned() -> [UInt64] {
        defer { machine.effects.removeAll() }
        return machine.effects.compactMap { if case .windowsReturned(let token) = $0 { token } else { nil } }
    }
}
