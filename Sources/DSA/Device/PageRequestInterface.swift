public import PCIe

/// The status of the function's Page Request extended capability (PRS; PCIe 6.0 §10.5.2). Its control is in
/// ``Device/function``.
public struct PageRequestInterface: Hashable, Sendable {
    /// Response Failure: a request was answered with that code, and the function sends none any more until the device
    /// has been disabled and enabled.
    public internal(set) var hasResponseFailure = false
    /// Unexpected Page Request Group Index: a response came to a group that had no request.
    public internal(set) var hasUnexpectedGroup = false
    /// Requests without answer, at most the allocation.
    public internal(set) var outstandingCount = 0
}

extension Device {
    /// Whether a fault may become a request.
    var mayRequestPages: Bool { function.isPageRequestEnabled && !pageRequests.hasResponseFailure }

    /// Whether a request may go out now.
    var hasPageRequestCredit: Bool { pageRequests.outstandingCount < function.pageRequestAllocation }

    /// Writes Enable and Allocation of the Page Request capability, and clears its status bits, as the host's driver
    /// does before it enables the device.
    ///
    /// - Returns: `false` when the function has no such capability or the device is not Disabled; nothing has changed.
    public mutating func setPageRequests(isEnabled: Bool, allocation: Int) -> Bool {
        guard state == .disabled, profile.pageRequestCapacity > 0 else { return false }
        pageRequests = PageRequestInterface()
        var settings = function
        settings.isPageRequestEnabled = isEnabled
        settings.pageRequestAllocation = allocation
        pciConfigurationChanged(to: settings)
        return true
    }

    /// A Page Response message arrives.
    ///
    /// The engine that asked goes on at the next step: after success it translates again; after the other codes its
    /// access has failed. ``PageResponseCode/responseFailure`` also stops the page requests of the function.
    ///
    /// - Returns: Whether a request of this group waited for an answer.
    public mutating func respond(to group: PageRequestGroup, with code: PageResponseCode) -> Bool {
        let index = Int(group.rawValue)
        guard engines.indices.contains(index), engines[index].pageWait.progress == .outstanding else {
            pageRequests.hasUnexpectedGroup = true
            return false
        }
        engines[index].pageWait.progress = .answered(code)
        pageRequests.outstandingCount -= 1
        if code == .responseFailure {
            pageRequests.hasResponseFailure = true
            for other in engines.indices where engines[other].pageWait.progress == .unsent {
                engines[other].pageWait.progress = .answered(.responseFailure)
            }
        }
        sendWaitingPageRequest()
        return true
    }

    /// The requests that wait for an answer, by group.
    public var outstandingPageRequests: [PageRequest] {
        engines.indices.compactMap { engines[$0].pageWait.progress == .outstanding ? pageRequest(engine: $0) : nil }
    }
}
