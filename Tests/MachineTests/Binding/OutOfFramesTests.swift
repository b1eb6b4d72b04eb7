import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

private struct FramesNotEnough: Error {}

extension MachineFixture {
    /// Tries `action` with 0, 1, 2, ... free frames until it succeeds. Every refusal must be "out of frames" and leave
    /// the frames, the IOASIDs and the bindings as they were.
    ///
    /// - Parameter afterRefusal: Checks what else a refusal must leave.
    /// - Returns: How many frames the action needs.
    fileprivate func framesNeeded(
        to action: () throws(MachineError) -> Void, afterRefusal: () -> Void = {}
    ) throws -> Int {
        var spare: [HostPhysicalAddress] = []
        while let frame = memory.allocateFrame() { spare.append(frame) }
        defer { for frame in spare { memory.freeFrame(frame) } }
        for count in 0..<64 {
            let frames = memory.frameCountInUse
            let allocated = machine.ioasids.allocatedCount
            let available = machine.ioasids.available
            let bound = machine.boundCount
            guard let error = machineError(action) else { return count }
            #expect(error == .outOfFrames)
            #expect(memory.frameCountInUse == frames)
            #expect(machine.ioasids.allocatedCount == allocated)
            #expect(machine.ioasids.available == available)
            #expect(machine.boundCount == bound)
            afterRefusal()
            guard let frame = spare.popLast() else { break }
            memory.freeFrame(frame)
        }
        throw FramesNotEnough()
    }

    /// Publishes a binding; a refusal is followed by its abandonment.
    fileprivate func publishOrAbandon(_ start: BindingStart) throws(MachineError) {
        let token: BindingToken
        switch start {
        case .prepared(let prepared, _), .extending(let prepared, _): token = prepared
        }
        do throws(MachineError) {
            try machine.publishBinding(token)
        } catch {
            machine.abandonBinding(token)
            throw error
        }
    }
}

@Suite("Out of frames")
struct OutOfFramesTests {
    @Test func `A guest's bind that finds no frame leaves nothing, neither entry nor translation`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        try fixture.setPASID(.guest(7), on: guest)
        let needed = try fixture.framesNeeded(
            to: { () throws(MachineError) in
                try fixture.publishOrAbandon(try fixture.prepare(.guest(7), of: guest))
            },
            afterRefusal: {
                guard case .skipped = fixture.enqcmd(fixture.noOp(record: 0), on: guest) else {
                    Issue.record("the guest PASID translates")
                    return
                }
                #expect(fixture.machine.ioasidsOfVM(guest.vm).isEmpty)
            })
        // A PASID table of the IOMMU, and one of the translation table.
        #expect(needed == 2)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: guest) == .accepted)
        fixture.run()
        #expect(guest.ram.status(0) == .success)
    }

    @Test func `A publish that failed may be tried again`() throws {
        let fixture = try MachineFixture()
        let guest = try fixture.makeGuest()
        guard case .prepared(let token, let ioasid) = try fixture.prepare(.guest(7), of: guest) else {
            Issue.record("a first binding is prepared")
            return
        }
        let needed = try fixture.framesNeeded(
            to: {
                () throws(MachineError) in
                try fixture.machine.publishBinding(token)
            },
            afterRefusal: { #expect(!fixture.hasEntry(ioasid)) })
        #expect(needed == 2)
        #expect(fixture.hasEntry(ioasid) == true)
    }

    @Test func `A process's bind that finds no frame leaves it unbound`() throws {
        let fixture = try MachineFixture()
        let process = try fixture.makeProcess()
        let needed = try fixture.framesNeeded(
            to: { () throws(MachineError) in
                try fixture.publishOrAbandon(
                    try fixture.machine.prepareBinding(ofProcess: process.process, device: 0))
            },
            afterRefusal: {
                #expect(fixture.machine.pasid(ofProcess: process.process) == nil)
                #expect(fixture.machine.hasBinding(process.space) == false)
            })
        #expect(needed == 1)
    }

    @Test func `A second device that finds no frame is not bound, and the first stays`() throws {
        let fixture = try MachineFixture(deviceCount: 2)
        let (process, ioasid) = try fixture.makeBoundProcess()
        let needed = try fixture.framesNeeded(
            to: { () throws(MachineError) in
                try fixture.publishOrAbandon(
                    try fixture.machine.prepareBinding(ofProcess: process.process, device: 1))
            },
            afterRefusal: { #expect(fixture.machine.describeBinding(of: ioasid)?.devices == 0b01) })
        #expect(needed == 1)
        #expect(fixture.machine.describeBinding(of: ioasid)?.devices == 0b11)
    }

    @Test func `A process or VM that finds no frame is not made, and its quota returns`() throws {
        let fixture = try MachineFixture()
        let processes = fixture.machine.processCount
        let forProcess = try fixture.framesNeeded(
            to: { () throws(MachineError) in
                _ = try fixture.machine.makeProcess()
            })
        let forVM = try fixture.framesNeeded(
            to: { () throws(MachineError) in
                _ = try fixture.machine.makeVM(quota: 10)
            })
        // A root each; a VM's translation table has two directories, and its vCPUs share an MSR bitmap.
        #expect((forProcess, forVM) == (1, 4))
        #expect(fixture.machine.processCount == processes + 1)
        #expect(fixture.machine.vmCount == 1)
    }

    @Test func `A mapping that finds no frame is not made`() throws {
        let fixture = try MachineFixture()
        let (index, _) = try fixture.machine.makeProcess()
        let ram = try fixture.addRAM(pageCount: 4)
        let space = AddressSpaceIndex.process(index)
        let needed = try fixture.framesNeeded(
            to: { () throws(MachineError) in
                _ = try fixture.machine.mapMemory(
                    ram.start, byteCount: 4 * 4096, isReadOnly: false, at: Client.base, in: space)
            },
            afterRefusal: { #expect(fixture.machine.mappings(of: space).isEmpty) })
        #expect(needed == 3)
    }

    @Test func `A change of permissions that finds no frame changes none`() throws {
        let fixture = try MachineFixture()
        let (index, _) = try fixture.machine.makeProcess()
        let space = AddressSpaceIndex.process(index)
        let thread = fixture.machine.addThread(toProcess: index)
        // Two pages of 2 MiB and one table of 4 KiB pages, of which the last three are taken away.
        let ram = try fixture.addRAM(pageCount: 1024 + 512)
        let base: UInt64 = 1 << 30
        _ = try fixture.machine.mapMemory(
            ram.start, byteCount: UInt64(ram.pageCount) * 4096, isReadOnly: false, at: base, in: space)
        try fixture.machine.protect(base + 1021 * 4096, byteCount: 3 * 4096, access: .none, in: space)
        try fixture.machine.protect(base + 1024 * 4096, byteCount: 512 * 4096, access: .none, in: space)
        func accesses() -> [Bool] {
            stride(from: 0, to: ram.pageCount, by: 1).map { page in
                let address = LinearAddress(rawValue: base + UInt64(page) * 4096)
                guard case .translated = fixture.machine.translate(address, isWrite: true, on: thread) else {
                    return false
                }
                return true
            }
        }
        let before = accesses()
        #expect(before.count { $0 } == 1021)
        // It begins inside the first large page and ends inside the third, which is not mapped.
        let needed = try fixture.framesNeeded(
            to: {
                () throws(MachineError) in
                try fixture.machine.protect(base + 4096, byteCount: 1030 * 4096, access: .readOnly, in: space)
            },
            afterRefusal: { #expect(accesses() == before) })
        #expect(needed == 2)
        let after = accesses()
        #expect(after.count { $0 } == 1, "only the first page can be written")
        for page in 1...1030 {
            let address = LinearAddress(rawValue: base + UInt64(page) * 4096)
            guard case .translated(let target, _) = fixture.machine.translate(address, isWrite: false, on: thread),
                target == ram.start.advanced(by: UInt64(page) * 4096)
            else {
                Issue.record("page \(page) is not where it was")
                return
            }
        }
    }
}
