internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

extension Server {
    func servePageRequests(
        _ arguments: WireServePageRequestsArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        if arguments.enabled {
            if space.pageServers.insert(session.id).inserted { session.servedSpaces.append(space) }
            machine.setServesPageRequests(true, space: space.index)
        } else {
            stopServing(space, session)
        }
        replyEmpty(to: session, id: id)
    }

    func respondToPageRequest(
        _ arguments: WirePageResponseArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let request = PageRequestID(rawValue: arguments.request)
        guard let pending = machine.pageRequest(request), let space = space(pending.owner),
            session.isAdmin || space.owner == session.identity
        else {
            throw WireError(
                .notFound,
                "no page request \(arguments.request) waits for an answer; query-page-requests lists those that do",
                path: "arguments.request")
        }
        var result = WirePageResponseReturn()
        result.code = arguments.code
        // The page requests of a function belong to all of its users, so that none of them may stop them.
        if result.code == .pageFailure, !session.isAdmin { result.code = .pageInvalid }
        let code: PageResponseCode =
            switch result.code {
            case .pageSuccess: .success
            case .pageFailure: .responseFailure
            case .pageInvalid, .UNRECOGNIZED: .invalidRequest
            }
        let isAwaited = machine.respond(to: request, with: code)
        precondition(isAwaited, "a request that is listed waits for its answer")
        hasAnsweredPages = true
        reply(result, to: session, id: id)
    }

    func queryPageRequests(
        _ arguments: WireQueryPageRequestsArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        var chosen: ClientSpace?
        if arguments.hasVm { chosen = try ownedSpace(vms[arguments.vm], "VM \(arguments.vm)", "vm", session) }
        var result = WireQueryPageRequestsReturn()
        for pending in machine.pageRequests {
            guard let space = space(pending.owner), session.isAdmin || space.owner == session.identity,
                chosen == nil || chosen === space
            else { continue }
            result.items.append(WirePageRequest(pending, of: space, device: deviceNames[pending.device]))
        }
        reply(result, to: session, id: id)
    }

    // MARK: Serving

    /// Tells those who serve an address space that a device waits for a page of it.
    func announcePageRequest(_ pending: PendingPageRequest) {
        guard let space = space(pending.owner) else { return }
        let timeout = UInt64(configuration.limits.pageRequestTimeoutMilliseconds) * 1_000_000
        if timeout > 0 {
            pageDeadlines.append((MonotonicClock.nanoseconds() + timeout, pending.id), keeping: machine.pageRequests)
        }
        announce(
            .pageRequest(WirePageRequest(pending, of: space, device: deviceNames[pending.device])), about: space.owner,
            servedBy: space.pageServers)
    }

    /// Answers the page requests whose owners have taken too long.
    func expirePageRequests(_ now: UInt64) {
        while let id = pageDeadlines.popExpired(now) {
            if machine.respond(to: id, with: .invalidRequest) { hasAnsweredPages = true }
        }
    }

    /// A connection answers no more page requests of a space; those that nobody else answers are invalid.
    func stopServing(_ space: ClientSpace, _ session: Session) {
        session.servedSpaces.removeAll { $0 === space }
        guard space.pageServers.remove(session.id) != nil, space.pageServers.isEmpty else { return }
        machine.setServesPageRequests(false, space: space.index)
        hasAnsweredPages = true
    }

    /// A connection that closes answers none of any space.
    func stopServingPageRequests(_ session: Session) {
        for space in session.servedSpaces { stopServing(space, session) }
    }

    /// Nobody answers page requests any more, so that what waits for an answer ends: the daemon stops, or the space.
    func refusePageRequests(of spaces: some Sequence<ClientSpace>) {
        for space in spaces where !space.pageServers.isEmpty {
            space.pageServers.removeAll()
            machine.setServesPageRequests(false, space: space.index)
            hasAnsweredPages = true
        }
    }

    private func space(_ index: AddressSpaceIndex) -> ClientSpace? {
        switch index {
        case .process(let process): processes[machine.processID(process).rawValue]
        case .virtualMachine(let vm): vms[machine.vmID(vm).rawValue]
        }
    }
}

/// When page requests that have no answer get one: in the order in which they came, for all wait equally long.
struct PageDeadlines {
    private var entries: [(deadline: UInt64, id: PageRequestID)] = []
    /// Before it is entries that are through.
    private var first = 0

    /// The time of the next deadline, monotonic nanoseconds; its request may have been answered.
    var next: UInt64? { first < entries.count ? entries[first].deadline : nil }

    /// Adds a deadline that is not before the others.
    ///
    /// - Parameter unanswered: What else may wait; the entries of other requests are dropped from time to time, so that
    ///   quick answers do not pile up.
    mutating func append(_ entry: (deadline: UInt64, id: PageRequestID), keeping unanswered: [PendingPageRequest]) {
        if entries.count >= 64, entries.count >= 2 * unanswered.count {
            let waiting = Set(unanswered.map(\.id))
            entries.removeAll { !waiting.contains($0.id) }
            first = 0
        }
        entries.append(entry)
    }

    /// Takes the next request whose deadline is not after `now`.
    mutating func popExpired(_ now: UInt64) -> PageRequestID? {
        guard let next, next <= now else { return nil }
        first += 1
        return entries[first - 1].id
    }
}

extension WirePageRequest {
    /// A request in the terms of its owner: the host PASID of a VM stays with the host (M-07).
    init(_ pending: PendingPageRequest, of space: ClientSpace, device name: String) {
        self.init()
        request = pending.id.rawValue
        device = name
        group = UInt32(pending.request.group.rawValue)
        if space.isVM { vm = space.number } else { process = space.number }
        if let guestPASID = pending.guestPASID {
            pasid = guestPASID.rawValue
        } else if let hostPASID = pending.request.pasid {
            pasid = hostPASID.rawValue
        }
        address = Hexadecimal.text(pending.request.address.rawValue)
        write = pending.request.isWrite
        priv = pending.request.isPrivileged
    }
}
