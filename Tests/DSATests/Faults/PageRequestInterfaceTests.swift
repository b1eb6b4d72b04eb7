import DSA
import DSASpec
import PCIe
import Testing

@Suite("Page request interface")
struct PageRequestInterfaceTests {
    private func fill(_ fixture: DeviceFixture, page: Int, record slot: Int) -> Descriptor {
        fixture.descriptor(
            .fill, pasid: DeviceFixture.pasids[slot % 2], record: slot, flags: .blockOnFault, source: 0x0101,
            destination: fixture.page(page), size: 64)
    }

    // MARK: Configuration

    @Test func `It is off at power-on, and a WQ with BOF Enable cannot be enabled then`() throws {
        let fixture = try DeviceFixture()
        #expect(!fixture.device.function.isPageRequestEnabled && fixture.device.function.pageRequestAllocation == 0)
        var queue = WorkQueueConfiguration.shared()
        queue.blockOnFaultEnable = true
        let isTaken = fixture.device.configure(workQueue: 0, as: queue)
        let isGrouped = fixture.device.configure(group: 0, as: GroupConfiguration(workQueues: 1, engines: 1))
        try #require(isTaken && isGrouped)
        #expect(fixture.device.execute(.enableDevice) == .completed(.none))
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.blockOnFaultUnsupported))
    }

    @Test func `BOF Enable needs GENCAP bit 0 as well`() throws {
        var profile = DeviceProfile.dsa1
        profile.general = GeneralCapabilities(rawValue: profile.general.rawValue & ~1)
        let fixture = try DeviceFixture(profile: profile)
        try #require(fixture.device.setPageRequests(isEnabled: true, allocation: 1) == true)
        try fixture.enable([.shared()])
        try #require(fixture.device.execute(.disableWorkQueues(1)) == .completed(.none))
        var queue = WorkQueueConfiguration.shared()
        queue.blockOnFaultEnable = true
        try #require(fixture.device.configure(workQueue: 0, as: queue) == true)
        #expect(fixture.device.execute(.enableWorkQueue(0)) == .completed(.blockOnFaultUnsupported))
    }

    @Test(arguments: [
        (0, CommandError.invalidPageRequestAllocation), (1, .none), (512, .none), (513, .invalidPageRequestAllocation),
    ])
    func `Enable Device checks the allocation while PRS is on`(allocation: Int, error: CommandError) throws {
        let fixture = try DeviceFixture()
        try #require(fixture.device.setPageRequests(isEnabled: true, allocation: allocation) == true)
        #expect(fixture.device.execute(.enableDevice) == .completed(error))
        #expect(CommandError.invalidPageRequestAllocation.rawValue == 0x13)
    }

    @Test func `While PRS is off the allocation does not matter`() throws {
        let fixture = try DeviceFixture()
        try #require(fixture.device.setPageRequests(isEnabled: false, allocation: 0) == true)
        #expect(fixture.device.execute(.enableDevice) == .completed(.none))
    }

    @Test func `It is written while the device is Disabled, and only where the capability exists`() throws {
        let fixture = try DeviceFixture.askingForPages()
        let isTaken = fixture.device.setPageRequests(isEnabled: false, allocation: 0)
        #expect(!isTaken)
        #expect(fixture.device.function.isPageRequestEnabled)
        var profile = DeviceProfile.dsa1
        profile.pageRequestCapacity = 0
        let without = try DeviceFixture(profile: profile)
        let isTakenWithout = without.device.setPageRequests(isEnabled: true, allocation: 1)
        #expect(!isTakenWithout)
    }

    // MARK: Several engines

    @Test func `An engine that waits for a page leaves the others at work`() throws {
        let fixture = try DeviceFixture.askingForPages(engineCount: 2)
        try fixture.unmap(page: 30)
        try fixture.enqueue(fill(fixture, page: 30, record: 0))
        for _ in 0..<10 {
            try fixture.enqueue(fill(fixture, page: 31, record: 1))
            fixture.run()
            #expect(fixture.status(1) == .success)
            fixture.write([0], at: fixture.recordAddress(1))
        }
        #expect(fixture.status(0) == .none)
        #expect(fixture.device.sentPageRequests.count == 1)
    }

    @Test func `Answers count for the group that they name, in any order`() throws {
        let fixture = try DeviceFixture.askingForPages(engineCount: 3)
        for slot in 0..<3 {
            try fixture.unmap(page: 30 + slot)
            try fixture.enqueue(fill(fixture, page: 30 + slot, record: slot))
        }
        fixture.run()
        let requests = fixture.pageRequests.sorted { $0.address.rawValue < $1.address.rawValue }
        #expect(Set(requests.map(\.group)).count == 3)
        #expect(requests.map(\.pasid) == [0, 1, 0].map { DeviceFixture.pasids[$0] })
        try fixture.map(page: 31, writable: true)
        try fixture.answer(requests[1].group, .success)
        #expect([0, 1, 2].map { fixture.status($0) } == [.none, .success, .none])
        try fixture.answer(requests[2].group, .invalidRequest)
        #expect([0, 1, 2].map { fixture.status($0) } == [.none, .success, .pageRequestFailed])
        try fixture.map(page: 30, writable: true)
        try fixture.answer(requests[0].group, .success)
        #expect(fixture.status(0) == .success)
    }

    @Test func `At most as many requests as allocated are out, and the oldest descriptor asks next`() throws {
        let fixture = try DeviceFixture.askingForPages(engineCount: 4, allocation: 2)
        for slot in 0..<4 {
            try fixture.unmap(page: 30 + slot)
            try fixture.enqueue(fill(fixture, page: 30 + slot, record: slot))
        }
        fixture.run()
        #expect(fixture.device.pageRequests.outstandingCount == 2)
        #expect(Set(fixture.pageRequests.map(\.address.rawValue)) == [fixture.page(30), fixture.page(31)])
        let second = try #require(fixture.pageRequests.first { $0.address.rawValue == fixture.page(31) })
        try fixture.answer(second.group, .invalidRequest)
        #expect(Set(fixture.pageRequests.map(\.address.rawValue)) == [fixture.page(30), fixture.page(32)])
        for _ in 0..<3 { try fixture.answer(fixture.pageRequests[0].group, .invalidRequest) }
        #expect((0..<4).allSatisfy { fixture.status($0) == .pageRequestFailed })
        #expect(fixture.device.pageRequests.outstandingCount == 0)
    }

    // MARK: Responses

    @Test func `A response to a group without request is unexpected and changes nothing else`() throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.unmap(page: 30)
        try fixture.enqueue(fill(fixture, page: 30, record: 0))
        fixture.run()
        for group in [1, 63, 64, 511] {
            let isAwaited = fixture.device.respond(to: PageRequestGroup(truncating: group), with: .success)
            #expect(!isAwaited)
        }
        #expect(fixture.device.pageRequests.hasUnexpectedGroup)
        #expect(fixture.pageRequests.count == 1)
        try fixture.answer(.invalidRequest)
        let isAwaited = fixture.device.respond(to: PageRequestGroup(truncating: 0), with: .success)
        #expect(!isAwaited, "each request has one answer")
    }

    @Test func `Response Failure stops the page requests of the function until it is enabled again`() throws {
        let fixture = try DeviceFixture.askingForPages(engineCount: 3, allocation: 2)
        for slot in 0..<3 {
            try fixture.unmap(page: 30 + slot)
            try fixture.enqueue(fill(fixture, page: 30 + slot, record: slot))
        }
        fixture.run()
        try fixture.answer(fixture.pageRequests[0].group, .responseFailure)
        #expect(fixture.device.pageRequests.hasResponseFailure)
        // The request that was out still waits; the one that was not sent has failed.
        #expect(fixture.pageRequests.count == 1)
        #expect((0..<3).count { fixture.status($0) == .pageRequestFailed } == 2)
        try fixture.answer(.invalidRequest)

        try fixture.enqueue(fill(fixture, page: 30, record: 3))
        fixture.run()
        #expect(fixture.status(3) == .pageRequestFailed)
        #expect(fixture.device.sentPageRequests.count == 2)

        try #require(fixture.device.execute(.disableDevice) == .completed(.none))
        try #require(fixture.device.execute(.enableDevice) == .completed(.none))
        try #require(fixture.device.execute(.enableWorkQueue(0)) == .completed(.none))
        try fixture.enqueue(fill(fixture, page: 30, record: 4))
        fixture.run()
        try fixture.bringPage(30)
        #expect(fixture.status(4) == .success)
    }

    // MARK: Commands

    @Test func `A drain, a disable and Drain wait for the answer`() throws {
        let fixture = try DeviceFixture.askingForPages(engineCount: 2)
        try fixture.unmap(page: 30)
        try fixture.enqueue(fill(fixture, page: 30, record: 0))
        try fixture.enqueue(fixture.descriptor(.drain, record: 2))
        fixture.run()
        fixture.device.drain(.pasid(DeviceFixture.pasids[0]), token: 7)
        fixture.device.drain(.pasid(DeviceFixture.pasids[2]), token: 8)
        #expect(fixture.device.execute(.disableWorkQueues(1)) == .active)
        fixture.run()
        #expect(fixture.status(2) == .none)
        #expect(fixture.device.drainEnds == [8])
        try fixture.bringPage(30)
        #expect(fixture.status(0) == .success && fixture.status(2) == .success)
        #expect(fixture.device.drainEnds == [8, 7])
        #expect(fixture.device.commandEnds == [.none])
    }

    @Test(arguments: [
        DeviceCommand.abortAll, .abortWorkQueues(1), .abortPASID(DeviceFixture.pasid), .resetWorkQueues(1),
        .resetDevice,
    ])
    func `An abort abandons a descriptor that waits for a page, and its request is withdrawn`(
        command: DeviceCommand
    ) throws {
        let fixture = try DeviceFixture.askingForPages()
        try fixture.unmap(page: 30)
        try fixture.enqueue(fill(fixture, page: 30, record: 0))
        fixture.run()
        let group = fixture.pageRequests[0].group
        #expect(fixture.device.execute(command) == .active)
        fixture.run()
        #expect(fixture.device.commandEnds == [.none])
        #expect(fixture.device.withdrawnGroups == [group])
        #expect(fixture.device.pageRequests.outstandingCount == 0)
        #expect(fixture.status(0) == .none)
        #expect(fixture.device.workQueues[0].counts.abandoned == 1)
        let isAwaited = fixture.device.respond(to: group, with: .success)
        #expect(!isAwaited)
        #expect(!fixture.hasWork)
    }

    @Test func `An abort of one that waits for a credit withdraws nothing`() throws {
        let fixture = try DeviceFixture.askingForPages(engineCount: 2, allocation: 1)
        for slot in 0..<2 {
            try fixture.unmap(page: 30 + slot)
            try fixture.enqueue(fill(fixture, page: 30 + slot, record: slot))
        }
        fixture.run()
        #expect(fixture.device.execute(.abortPASID(DeviceFixture.pasids[1])) == .active)
        fixture.run()
        #expect(fixture.device.withdrawnGroups.isEmpty)
        #expect(fixture.pageRequests.map(\.address.rawValue) == [fixture.page(30)])
        try fixture.bringPage(30)
        #expect(fixture.status(0) == .success && fixture.status(1) == .none)
    }

    @Test func `An abort gives the credit of a withdrawn request to the next`() throws {
        let fixture = try DeviceFixture.askingForPages(engineCount: 2, allocation: 1)
        for slot in 0..<2 {
            try fixture.unmap(page: 30 + slot)
            try fixture.enqueue(fill(fixture, page: 30 + slot, record: slot))
        }
        fixture.run()
        #expect(fixture.device.execute(.abortPASID(DeviceFixture.pasids[0])) == .active)
        fixture.run()
        try fixture.bringPage(31)
        #expect(fixture.status(0) == .none && fixture.status(1) == .success)
    }
}
