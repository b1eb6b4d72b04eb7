internal import DSA
internal import IOMMU
public import PCIe

/// Names a page request of any device as long as the machine lives: a late answer finds none, never another one.
public struct PageRequestID: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The number, from 1 in the order of asking.
    public let rawValue: UInt64

    /// The request with this number, whether or not it exists.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }
}

/// A page request that waits for its owner's answer, in the owner's terms (virtualization §6.5).
public struct PendingPageRequest: Hashable, Sendable {
    /// What an answer names.
    public let id: PageRequestID
    /// The index of the device that asks.
    public let device: Int
    /// The process or VM whose page it is.
    public let owner: AddressSpaceIndex
    /// What the guest calls the PASID; `nil` for a process.
    public let guestPASID: GuestPASID?
    /// What the device sent. Its PASID is the host's: not for a guest to see (M-07).
    public let request: PageRequest
}

extension Machine {
    /// Says whether somebody answers the page requests of an address space from now on.
    ///
    /// Requests of a space that nobody serves are answered ``PageResponseCode/invalidRequest`` at once, those that are
    /// outstanding included, so that a descriptor never waits for nobody.
    public mutating func setServesPageRequests(_ isServed: Bool, space: AddressSpaceIndex) {
        switch space {
        case .process(let index): processes[index].servesPageRequests = isServed
        case .virtualMachine(let index): vms[index].servesPageRequests = isServed
        }
        if !isServed { refusePageRequests { $0.owner == space } }
    }

    /// The unanswered page requests, the oldest first: at most one for each engine.
    public var pageRequests: [PendingPageRequest] { pendingPageRequests }

    /// The unanswered page requests of an address space, the oldest first.
    public func pageRequests(of space: AddressSpaceIndex) -> [PendingPageRequest] {
        pendingPageRequests.filter { $0.owner == space }
    }

    /// The page request of this number while it has no answer.
    public func pageRequest(_ id: PageRequestID) -> PendingPageRequest? {
        pendingPageRequests.first { $0.id == id }
    }

    /// Gives the device the answer to its page request.
    ///
    /// - Returns: `false` when there is no such request: it was answered, or its descriptor was abandoned.
    public mutating func respond(to id: PageRequestID, with code: PageResponseCode) -> Bool {
        guard let position = pendingPageRequests.firstIndex(where: { $0.id == id }) else { return false }
        let pending = pendingPageRequests.remove(at: position)
        answer(pending.request, with: code)
        collectEffects(ofDevice: pending.device)
        return true
    }

    /// Answers the selected requests with ``PageResponseCode/invalidRequest``.
    mutating func refusePageRequests(where isSelected: (PendingPageRequest) -> Bool) {
        for id in pendingPageRequests.filter(isSelected).map(\.id) {
            _ = respond(to: id, with: .invalidRequest)
        }
    }

    /// Carries a device's request to the IOMMU, and lets the host's driver take it from there.
    ///
    /// - Returns: Whether somebody was asked.
    mutating func receive(_ request: PageRequest, ofDevice device: Int) -> Bool {
        switch iommu.receive(request) {
        case .queued:
            guard let taken = iommu.takePageRequest() else {
                preconditionFailure("the request has just been queued")
            }
            return passOn(taken, ofDevice: device)
        case .answered(let code):
            answer(request, with: code)
            return false
        case .dropped:
            return false
        }
    }

    /// Passes a device's request on to the owner of the address space, or refuses it when there is none that answers:
    /// no PASID, one that is not bound or on its way out (M-08), or nobody who serves it.
    ///
    /// - Returns: Whether somebody was asked.
    private mutating func passOn(_ request: PageRequest, ofDevice device: Int) -> Bool {
        guard let pasid = request.pasid, let index = bindingIndex(of: pasid), bindings[index].state == .bound,
            bindings[index].departingDevice != device, servesPageRequests(bindings[index].owner)
        else {
            answer(request, with: .invalidRequest)
            return false
        }
        let pending = PendingPageRequest(
            id: PageRequestID(rawValue: nextPageRequest), device: device, owner: bindings[index].owner,
            guestPASID: bindings[index].guestPASID, request: request)
        nextPageRequest += 1
        pendingPageRequests.append(pending)
        effects.append(.pageRequest(pending))
        return true
    }

    /// The descriptor that asked is gone.
    mutating func forget(_ group: PageRequestGroup, ofDevice device: Int) {
        pendingPageRequests.removeAll { $0.device == device && $0.request.group == group }
    }

    private func servesPageRequests(_ space: AddressSpaceIndex) -> Bool {
        switch space {
        case .process(let index): processes[index].servesPageRequests
        case .virtualMachine(let index): vms[index].servesPageRequests
        }
    }
}
