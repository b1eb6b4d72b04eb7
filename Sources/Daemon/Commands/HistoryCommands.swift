internal import History
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    private static let rowsDefault: UInt32 = 100

    func queryHistory(_ arguments: WireQueryHistoryArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        var query = EventQuery()
        query.filter.ioasid = arguments.hasIoasid ? arguments.ioasid : nil
        query.filter.guestPASID = arguments.hasGuestPasid ? arguments.guestPasid : nil
        query.filter.vm = arguments.hasVm ? UInt64(arguments.vm) : nil
        query.filter.process = arguments.hasProcess ? UInt64(arguments.process) : nil
        query.filter.uid = try visibleUser(arguments.hasUid ? arguments.uid : nil, session)
        if arguments.hasKind { query.kind = HistoryEventKind(arguments.kind) }
        let first = arguments.hasFromTime ? try time(arguments.fromTime, "fromTime") : Int64.min
        var end = arguments.hasToTime ? try time(arguments.toTime, "toTime") : Int64.max
        if arguments.hasAsOf { end = min(end, try time(arguments.asOf, "asOf") &+ 1) }
        guard first <= end else {
            throw WireError(.invalidArgument, "lies before fromTime", path: "arguments.toTime")
        }
        if arguments.hasFromTime || arguments.hasToTime || arguments.hasAsOf {
            query.times = HistoryTime(nanoseconds: first)..<HistoryTime(nanoseconds: end)
        }
        if arguments.hasAfter { query.sequences = Int64(arguments.after) + 1..<Int64.max }
        let limit = Int(arguments.hasLimit ? arguments.limit : Self.rowsDefault)
        guard let page = HistoryPage(limit: limit, order: .oldestFirst) else {
            throw WireError(.invalidArgument, "is \(limit); 1 to 1000 is accepted", path: "arguments.limit")
        }
        query.page = page
        let asked = query
        perform(session, id) { reader in
            .events(Result { () throws(HistoryError) in try reader.events(asked) })
        } answer: { [self] answer in
            guard case .events(let result) = answer else { preconditionFailure("events were asked for") }
            replyEvents(result, limit: limit, id, session)
        }
    }

    func holdHistory(_ arguments: WireXHistoryHoldArguments, _ id: RequestID, _ session: Session) {
        history.setHold(arguments.hold)
        replyEmpty(to: session, id: id)
    }

    private func replyEvents(
        _ found: Result<[EventRow], HistoryError>, limit: Int, _ id: RequestID, _ session: Session
    ) {
        switch found {
        case .failure(let error):
            reply(WireError(.internalError, "the history cannot be read: \(error)"), to: session, id: id)
        case .success(let rows):
            var result = WireQueryHistoryReturn()
            result.events = rows.map { WireHistoryEvent($0) }
            if rows.count == limit, let last = rows.last { result.next = UInt64(last.sequence) }
            reply(result, to: session, id: id)
        }
    }

    func queryBindings(_ arguments: WireQueryBindingsArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        var filter = HistoryFilter()
        filter.ioasid = arguments.hasIoasid ? arguments.ioasid : nil
        filter.guestPASID = arguments.hasGuestPasid ? arguments.guestPasid : nil
        filter.vm = arguments.hasVm ? UInt64(arguments.vm) : nil
        filter.process = arguments.hasProcess ? UInt64(arguments.process) : nil
        filter.uid = try visibleUser(arguments.hasUid ? arguments.uid : nil, session)
        let limit = Int(arguments.hasLimit ? arguments.limit : Self.rowsDefault)
        let instant = HistoryTime(
            nanoseconds: arguments.hasAsOf ? try time(arguments.asOf, "asOf") : WallClock.nanoseconds())
        let after = arguments.hasAfter ? Int64(arguments.after) : 0
        if let ioasid = filter.ioasid {
            perform(session, id) { reader in
                .ownership(Result { () throws(HistoryError) in try reader.owner(ofIOASID: ioasid, at: instant) })
            } answer: { [self] answer in
                guard case .ownership(let result) = answer else { preconditionFailure("an owner was asked for") }
                replyOwner(result, filter, after: after, id, session)
            }
            return
        }
        var query = BindingQuery()
        query.filter = filter
        let (next, overflow) = instant.nanoseconds.addingReportingOverflow(1)
        query.times = instant..<HistoryTime(nanoseconds: overflow ? .max : next)
        if arguments.hasAfter { query.sequences = after + 1..<Int64.max }
        guard let page = HistoryPage(limit: limit, order: .oldestFirst) else {
            throw WireError(.invalidArgument, "is \(limit); 1 to 1000 is accepted", path: "arguments.limit")
        }
        query.page = page
        let asked = query
        perform(session, id) { reader in
            .bindings(Result { () throws(HistoryError) in try reader.bindings(asked) })
        } answer: { [self] answer in
            guard case .bindings(let found) = answer else { preconditionFailure("bindings were asked for") }
            switch found {
            case .failure(let error):
                reply(WireError(.internalError, "the history cannot be read: \(error)"), to: session, id: id)
            case .success(let rows):
                replyBindings(rows, at: instant, limit: limit, id, session)
            }
        }
    }

    private func replyOwner(
        _ found: Result<HistoryOwnership, HistoryError>, _ filter: HistoryFilter, after: Int64, _ id: RequestID,
        _ session: Session
    ) {
        var result = WireQueryBindingsReturn()
        switch found {
        case .failure(let error):
            reply(WireError(.internalError, "the history cannot be read: \(error)"), to: session, id: id)
            return
        case .success(let ownership):
            var row: BindingRow?
            var certainty = WireBinding.Certainty.known
            switch ownership {
            case .bound(let binding):
                row = binding
            case .unknown(_, let candidate):
                row = candidate
                certainty = .unknown
            case .unbound, .expired:
                row = nil
            }
            if let row, row.bound.sequence > after, filter.admits(row.subject) {
                result.bindings = [WireBinding(row, certainty: certainty)]
            }
        }
        reply(result, to: session, id: id)
    }

    private func replyBindings(
        _ rows: [BindingRow], at instant: HistoryTime, limit: Int, _ id: RequestID, _ session: Session
    ) {
        var result = WireQueryBindingsReturn()
        result.bindings = rows.map { row in
            let isUnknown = row.lastAliveTime.map { $0 < instant } ?? false
            return WireBinding(row, certainty: isUnknown ? .unknown : .known)
        }
        if rows.count == limit, let last = rows.last { result.next = UInt64(last.bound.sequence) }
        reply(result, to: session, id: id)
    }

    /// Runs a query on the history's own thread; the connection waits, the loop does not.
    private func perform(
        _ session: Session, _ id: RequestID, _ work: @escaping @Sendable (HistoryReader) -> HistoryAnswer,
        answer: @escaping (HistoryAnswer) -> Void
    ) {
        let token = makeToken()
        let mailbox = mailbox
        guard history.reader.perform({ reader in mailbox.post(.query(token: token, work(reader))) }) else {
            reply(
                WireError(.limitExceeded, "too many queries of the history wait; try again later"), to: session, id: id)
            return
        }
        session.isParked = true
        queryContinuations[token] = { [self] found in
            answer(found)
            unpark(session)
        }
    }

    /// The user whose rows a client may see: its own, unless it is an administrator's or the read-only socket's.
    private func visibleUser(_ wanted: UInt32?, _ session: Session) throws(WireError) -> UInt32? {
        if session.isAdmin || session.transport == .unixReadOnly { return wanted }
        guard let own = session.credentials?.user.rawValue else {
            throw WireError(
                .permissionDenied, "rows of a TCP client carry no user, so its own cannot be told; use a Unix socket",
                path: "execute")
        }
        guard wanted == nil || wanted == own else {
            throw WireError(
                .permissionDenied, "rows of other users are for the admin and the read-only socket",
                path: "arguments.uid")
        }
        return own
    }

    private func time(_ text: String, _ member: String) throws(WireError) -> Int64 {
        guard let nanoseconds = UTCTime.nanoseconds(text) else {
            throw WireError(
                .invalidArgument, "is \(JSONValue.quoted(text)); write an RFC 3339 time in UTC",
                path: "arguments.\(member)")
        }
        return nanoseconds
    }
}

extension HistoryFilter {
    /// Whether a binding of `subject` passes, as the store's own filter would decide.
    func admits(_ subject: HistorySubject) -> Bool {
        (guestPASID == nil || guestPASID == subject.guestPASID) && (vm == nil || vm == subject.vm)
            && (process == nil || process == subject.process) && (uid == nil || uid == subject.uid)
    }
}
