import DSA
import DSASpec
import PCIe
import Testing

extension DeviceFixture {
    /// A device with one SWQ whose function may ask for pages.
    ///
    /// - Parameters:
    ///   - allocation: PRSREQALLOC.
    ///   - readsBack: GENCAP bit 9.
    static func askingForPages(
        engineCount: Int = 1, allocation: Int = 512, blockOnFault: Bool = true, readsBack: Bool = false,
        retryLimit: Int = 16
    ) throws -> DeviceFixture {
        var profile = DeviceProfile.dsa1
        profile.engineCount = engineCount
        profile.pageRequestRetryLimit = retryLimit
        if readsBack { profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 9) }
        let fixture = try DeviceFixture(profile: profile)
        try #require(fixture.device.setPageRequests(isEnabled: true, allocation: allocation) == true)
        var queue = WorkQueueConfiguration.shared()
        queue.blockOnFaultEnable = blockOnFault
        try fixture.enable([queue])
        return fixture
    }

    /// The requests that wait for an answer.
    var pageRequests: [PageRequest] { device.outstandingPageRequests }

    /// Answers the only outstanding request and lets the engines work.
    func answer(_ code: PageResponseCode) throws {
        try #require(pageRequests.count == 1)
        try answer(pageRequests[0].group, code)
    }

    /// Answers the request of `group` and lets the engines work.
    func answer(_ group: PageRequestGroup, _ code: PageResponseCode) throws {
        try #require(device.respond(to: group, with: code) == true)
        run()
    }

    /// Maps the page of the only outstanding request, answers it with success and lets the engines work.
    func bringPage(_ page: Int, writable: Bool = true) throws {
        #expect(pageRequests.map(\.address.rawValue) == [self.page(page)])
        try map(page: page, writable: writable)
        try answer(.success)
    }

    /// Pages that are filled with different bytes.
    func fill(pages: Range<Int>, seed: UInt64 = 1) {
        var generator = OperationsGenerator(seed: seed)
        write(generator.bytes(pages.count * 4096), at: page(pages.lowerBound))
    }
}

extension Device {
    /// The page requests among the effects.
    var sentPageRequests: [PageRequest] {
        effects.compactMap { if case .pageRequest(let request) = $0 { request } else { nil } }
    }

    /// The withdrawals among the effects.
    var withdrawnGroups: [PageRequestGroup] {
        effects.compactMap { if case .pageRequestWithdrawn(let group) = $0 { group } else { nil } }
    }
}
