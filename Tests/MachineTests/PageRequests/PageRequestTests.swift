import DSA
import DSASpec
import Machine
import PCIe
import Testing

extension MachineFixture {
    /// A Fill with BOF.
    fileprivate func blockingFill(at address: UInt64, record slot: Int, size: Int = 64) -> Descriptor {
        var descriptor = fill(0x1111_1111_1111_1111, at: address, size: size, record: slot)
        descriptor.flags.insert(.blockOnFault)
        return descriptor
    }

    /// Takes page `page` out of a client's tables, or puts it back.
    fileprivate func protect(page: Int, of client: Client, access: MemoryAccess) throws {
        let base = isProcess(client) ? Client.base : 0
        try machine.protect(base + UInt64(page) * 4096, byteCount: 4096, access: access, in: client.space)
    }

    private func isProcess(_ client: Client) -> Bool {
        if case .process = client.space { true } else { false }
    }

    /// The page requests among the effects.
    fileprivate var announced: [PendingPageRequest] {
        machine.effects.compactMap { if case .pageRequest(let request) = $0 { request } else { nil } }
    }

    /// Answers the only request of a client and lets the devices work.
    fileprivate func answer(_ client: Client, _ code: PageResponseCode) throws {
        let pending = machine.pageRequests(of: client.space)
        try #require(pending.count == 1)
        try #require(machine.respond(to: pending[0].id, with: code) == true)
        run()
    }

    /// A process that is bound and serves its page requests, with page 5 missing.
    fileprivate func servedProcess() throws -> (Client, HostPASID) {
        let (client, pasid) = try makeBoundProcess()
        machine.setServesPageRequests(true, space: client.space)
        try protect(page: 5, of: client, access: .none)
        return (client, pasid)
    }
}

@Suite("Page requests of address spaces")
struct PageRequestTests {
    @Test func `The owner of a process is asked, brings the page, and the descriptor goes on`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, pasid) = try fixture.servedProcess()
        #expect(
            fixture.enqcmd(fixture.blockingFill(at: client.page(4), record: 0, size: 8192), on: client) == .accepted)
        fixture.run()
        let request = try #require(fixture.announced.first)
        #expect(fixture.announced == fixture.machine.pageRequests(of: client.space))
        #expect(request.owner == client.space && request.guestPASID == nil && request.device == 0)
        #expect(request.request.pasid == pasid)
        #expect(request.request.address.rawValue == client.page(5))
        #expect(request.request.isWrite && !request.request.isPrivileged)
        #expect(client.ram[4096 * 4] == 0x1111_1111_1111_1111)
        try fixture.protect(page: 5, of: client, access: .readWrite)
        try fixture.answer(client, .success)
        #expect(client.ram.status(0) == .success)
        #expect(client.ram[4096 * 6 - 8] == 0x1111_1111_1111_1111)
        #expect(fixture.machine.pageRequests(of: client.space).isEmpty)
    }

    @Test func `Memory that is mapped while the descriptor waits serves it`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, _) = try fixture.makeBoundProcess()
        fixture.machine.setServesPageRequests(true, space: client.space)
        let address: UInt64 = 0x2000_0000
        #expect(fixture.enqcmd(fixture.blockingFill(at: address, record: 0), on: client) == .accepted)
        fixture.run()
        let ram = try fixture.addRAM(pageCount: 1)
        _ = try fixture.machine.mapMemory(ram.start, byteCount: 4096, isReadOnly: false, at: address, in: client.space)
        try fixture.answer(client, .success)
        #expect(client.ram.status(0) == .success)
        #expect(ram[0] == 0x1111_1111_1111_1111)
    }

    @Test(arguments: [PageResponseCode.invalidRequest, .responseFailure])
    func `A refusal of the owner ends the descriptor with 0x04`(code: PageResponseCode) throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, _) = try fixture.servedProcess()
        #expect(fixture.enqcmd(fixture.blockingFill(at: client.page(5), record: 0), on: client) == .accepted)
        fixture.run()
        try fixture.answer(client, code)
        #expect(client.ram.status(0) == .pageRequestFailed)
    }

    @Test func `A guest is asked under its own PASID, and its page tables serve the answer`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let guestPASID = GuestPASID.guest(0x123)
        let (client, pasid) = try fixture.makeBoundGuest(guestPASID)
        fixture.machine.setServesPageRequests(true, space: client.space)
        let entry = client.guestTables.rawValue + 3 * 4096 + 5 * 8
        let present = client.ram[entry]
        client.ram[entry] = 0
        #expect(fixture.enqcmd(fixture.blockingFill(at: client.page(5), record: 0), on: client) == .accepted)
        fixture.run()
        let request = try #require(fixture.announced.first)
        #expect(request.guestPASID == guestPASID && request.owner == client.space)
        #expect(request.request.pasid == pasid && pasid.rawValue != guestPASID.rawValue)
        #expect(request.request.address.rawValue == client.page(5))
        client.ram[entry] = present
        try fixture.answer(client, .success)
        #expect(client.ram.status(0) == .success)
        #expect(client.ram[5 * 4096] == 0x1111_1111_1111_1111)
    }

    @Test func `A page that the second stage lacks is asked for as well`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, _) = try fixture.makeBoundGuest()
        fixture.machine.setServesPageRequests(true, space: client.space)
        try fixture.protect(page: 5, of: client, access: .readOnly)
        #expect(fixture.enqcmd(fixture.blockingFill(at: client.page(5), record: 0), on: client) == .accepted)
        fixture.run()
        #expect(fixture.announced.map(\.request.address.rawValue) == [client.page(5)])
        try fixture.protect(page: 5, of: client, access: .readWrite)
        try fixture.answer(client, .success)
        #expect(client.ram.status(0) == .success)
    }

    // MARK: Nobody answers

    @Test func `Requests of an address space that nobody serves are invalid at once`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, _) = try fixture.makeBoundProcess()
        try fixture.protect(page: 5, of: client, access: .none)
        #expect(fixture.enqcmd(fixture.blockingFill(at: client.page(5), record: 0), on: client) == .accepted)
        fixture.run()
        #expect(client.ram.status(0) == .pageRequestFailed)
        #expect(fixture.announced.isEmpty)
        var lost = fixture.noOp(record: 0)
        lost.completionRecordAddress = LinearAddress(rawValue: client.page(5))
        #expect(fixture.enqcmd(lost, on: client) == .accepted)
        fixture.run()
        #expect(fixture.softwareError.code == .completionRecordPageFault)
        #expect(fixture.machine.inFlight == 0)
    }

    @Test func `M-08: requests of a PASID that is not bound are invalid and block nobody`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, pasid) = try fixture.servedProcess()
        let (neighbour, _) = try fixture.makeBoundProcess()
        fixture.holdEngines()
        #expect(fixture.enqcmd(fixture.blockingFill(at: client.page(5), record: 0), on: client) == .accepted)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: neighbour) == .accepted)
        guard
            case .unbinding(let token, pasid) = try fixture.machine.beginUnbind(
                ofProcess: client.process, device: nil)
        else {
            Issue.record("the only device makes it an unbind")
            return
        }
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.announced.isEmpty)
        #expect(client.ram.status(0) == .pageRequestFailed)
        #expect(neighbour.ram.status(0) == .success)
        #expect(fixture.takeDrainedTokens() == [token])
    }

    @Test func `Whoever stops serving leaves its outstanding requests invalid, not those of others`() throws {
        let fixture = try MachineFixture(engineCount: 2, blocksOnFault: true)
        let (client, _) = try fixture.servedProcess()
        let (neighbour, _) = try fixture.servedProcess()
        for asking in [client, neighbour] {
            #expect(fixture.enqcmd(fixture.blockingFill(at: asking.page(5), record: 0), on: asking) == .accepted)
        }
        fixture.run()
        #expect(fixture.announced.count == 2)
        fixture.machine.setServesPageRequests(false, space: client.space)
        fixture.run()
        #expect(client.ram.status(0) == .pageRequestFailed)
        #expect(neighbour.ram.status(0) == .none)
        try fixture.protect(page: 5, of: neighbour, access: .readWrite)
        try fixture.answer(neighbour, .success)
        #expect(neighbour.ram.status(0) == .success)
    }

    @Test func `An unbind answers the outstanding requests first and so does not wait for the owner`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, pasid) = try fixture.servedProcess()
        // The second fault, of the record, comes when the PASID is on its way out.
        var descriptor = fixture.blockingFill(at: client.page(5), record: 0)
        descriptor.completionRecordAddress = LinearAddress(rawValue: client.page(5) + 64)
        #expect(fixture.enqcmd(descriptor, on: client) == .accepted)
        fixture.run()
        let request = try #require(fixture.announced.first)
        try fixture.unbind(client)
        #expect(!fixture.hasEntry(pasid))
        #expect(fixture.softwareError.code == .completionRecordPageFault)
        let isKnown = fixture.machine.respond(to: request.id, with: .success)
        #expect(!isKnown, "a late answer finds no request")
    }

    @Test func `A departure from one device leaves the requests of the others`() throws {
        let fixture = try MachineFixture(deviceCount: 2, blocksOnFault: true)
        let (client, _) = try fixture.servedProcess()
        try fixture.bind(client, device: 1)
        for device in 0..<2 {
            #expect(
                fixture.enqcmd(
                    fixture.blockingFill(at: client.page(5), record: device), on: client, to: .shared(device))
                    == .accepted)
        }
        fixture.run()
        #expect(Set(fixture.announced.map(\.device)) == [0, 1])
        try fixture.unbind(client, device: 0)
        #expect(client.ram.status(0) == .pageRequestFailed)
        #expect(client.ram.status(1) == .none)
        #expect(fixture.machine.pageRequests(of: client.space).map(\.device) == [1])
        try fixture.protect(page: 5, of: client, access: .readWrite)
        try fixture.answer(client, .success)
        #expect(client.ram.status(1) == .success)
    }

    // MARK: Isolation

    @Test func `M-07: a response goes to the device, PASID and group that asked`() throws {
        let fixture = try MachineFixture(deviceCount: 2, engineCount: 2, blocksOnFault: true)
        var clients: [Client] = []
        for number in [UInt32(0x70), 0x71] {
            let (client, _) = try fixture.makeBoundGuest(.guest(number))
            try fixture.bind(.guest(number), of: client, device: 1)
            fixture.machine.setServesPageRequests(true, space: client.space)
            try fixture.protect(page: 5, of: client, access: .none)
            clients.append(client)
            for device in 0..<2 {
                #expect(
                    fixture.enqcmd(
                        fixture.blockingFill(at: client.page(5), record: device), on: client, to: .shared(device))
                        == .accepted)
            }
        }
        fixture.run()
        #expect(fixture.announced.count == 4)
        try fixture.protect(page: 5, of: clients[1], access: .readWrite)
        let asked = try #require(fixture.machine.pageRequests(of: clients[1].space).first { $0.device == 1 })
        #expect(asked.guestPASID == .guest(0x71))
        try #require(fixture.machine.respond(to: asked.id, with: .success) == true)
        fixture.run()
        #expect(clients[1].ram.status(1) == .success)
        #expect(clients[1].ram.status(0) == .none)
        #expect(clients[0].ram.status(0) == .none && clients[0].ram.status(1) == .none)
        #expect(fixture.machine.pageRequests(of: clients[0].space).count == 2)
    }

    @Test func `A client that does not answer delays nobody on other engines`() throws {
        let fixture = try MachineFixture(engineCount: 2, blocksOnFault: true)
        let (silent, _) = try fixture.servedProcess()
        let (neighbour, _) = try fixture.makeBoundProcess()
        #expect(fixture.enqcmd(fixture.blockingFill(at: silent.page(5), record: 0), on: silent) == .accepted)
        for _ in 0..<20 {
            neighbour.ram[0] = 0
            #expect(fixture.enqcmd(fixture.noOp(record: 0), on: neighbour) == .accepted)
            fixture.run()
            #expect(neighbour.ram.status(0) == .success)
        }
        #expect(silent.ram.status(0) == .none)
    }

    @Test func `An aborted descriptor's request is forgotten, and its number is not used again`() throws {
        let fixture = try MachineFixture(blocksOnFault: true)
        let (client, pasid) = try fixture.servedProcess()
        #expect(fixture.enqcmd(fixture.blockingFill(at: client.page(5), record: 0), on: client) == .accepted)
        fixture.run()
        let first = try #require(fixture.machine.pageRequests(of: client.space).first)
        #expect(fixture.machine.execute(.abortPASID(pasid), device: 0) == .active)
        fixture.run()
        #expect(fixture.machine.pageRequests(of: client.space).isEmpty)
        #expect(fixture.machine.inFlight == 0)
        #expect(fixture.enqcmd(fixture.blockingFill(at: client.page(5), record: 0), on: client) == .accepted)
        fixture.run()
        let isKnown = fixture.machine.respond(to: first.id, with: .success)
        #expect(!isKnown)
        let second = try #require(fixture.machine.pageRequests(of: client.space).first)
        #expect(second.id != first.id && second.request.group == first.request.group)
    }
}
