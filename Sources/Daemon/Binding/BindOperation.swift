internal import History
internal import Machine
internal import PCIe
internal import Protocol

extension Server {
    /// What a bind ends with.
    typealias BindCompletion = (Result<HostPASID, WireError>) -> Void

    /// Completes a prepared binding: rows durable, then entries published, then the answer. A space that began to die
    /// meanwhile gets nothing published; its binding is recorded as ended.
    func completeBinding(
        _ start: BindingStart, in space: ClientSpace, device: Int, actor: Actor, completion: @escaping BindCompletion
    ) {
        space.pendingCount += 1
        let finish: BindCompletion = { [self] result in
            space.pendingCount -= 1
            completion(result)
            advanceTeardowns()
        }
        switch start {
        case .prepared(let token, let ioasid):
            completeFirst(token, of: ioasid, in: space, device: device, actor: actor, finish)
        case .extending(let token, let ioasid):
            completeExtension(token, of: ioasid, in: space, device: device, actor: actor, finish)
        }
    }

    /// The binding to a first device.
    private func completeFirst(
        _ token: BindingToken, of ioasid: HostPASID, in space: ClientSpace, device: Int, actor: Actor,
        _ finish: @escaping BindCompletion
    ) {
        let description = machine.describe(token)
        let bind = historyEvent(
            .bind, of: ioasid, guestPASID: description.guestPASID, device: device, in: space, cause: .request,
            actor: actor)
        guard description.isIOASIDOwned else {
            recordBind(bind, token, device: device, in: space, actor: actor, wasAllocated: false, finish)
            return
        }
        let alloc = historyEvent(
            .alloc, of: ioasid, guestPASID: nil, device: nil, in: space, cause: .request, actor: actor)
        // Both rows are queued at once, in order, so that they share a commit; the second decides.
        var failure: WireError?
        history.record(alloc) { [self] outcome in
            switch outcome {
            case .recorded(let sequence, _): announce(alloc, sequence: sequence, device: nil, owner: space.owner)
            case .refused, .failed: failure = Self.notRecorded(outcome)
            }
        }
        history.record(bind) { [self] outcome in
            let error = failure
            bindRecorded(
                error == nil ? outcome : nil, error, bind, token, device: device, in: space, actor: actor,
                wasAllocated: error == nil, finish)
        }
    }

    /// A further device of what is bound: its row durable, then its entry published.
    private func completeExtension(
        _ token: BindingToken, of ioasid: HostPASID, in space: ClientSpace, device: Int, actor: Actor,
        _ finish: @escaping BindCompletion
    ) {
        let guestPASID = machine.describe(token).guestPASID
        func event(_ kind: HistoryEventKind) -> HistoryEvent {
            historyEvent(
                kind, of: ioasid, guestPASID: guestPASID, device: device, in: space, cause: .request, actor: actor)
        }
        history.record(event(.bindDevice)) { [self] outcome in
            guard case .recorded = outcome else {
                machine.abandonBinding(token)
                finish(.failure(Self.notRecorded(outcome)))
                return
            }
            let refusal = publish(token, in: space)
            guard let refusal else {
                finish(.success(ioasid))
                return
            }
            history.recordFact(event(.unbindDevice)) { [self] _ in
                machine.abandonBinding(token)
                finish(.failure(refusal))
            }
        }
    }

    /// Puts a binding that is in the history into force, or says why it cannot be.
    private func publish(_ token: BindingToken, in space: ClientSpace) -> WireError? {
        guard !space.isDying else { return WireError(.wrongState, "\(space.name) is being destroyed") }
        do throws(MachineError) { try machine.publishBinding(token) } catch { return WireError(error) }
        return nil
    }

    private func recordBind(
        _ bind: HistoryEvent, _ token: BindingToken, device: Int, in space: ClientSpace, actor: Actor,
        wasAllocated: Bool, _ finish: @escaping BindCompletion
    ) {
        history.record(bind) { [self] outcome in
            bindRecorded(
                outcome, nil, bind, token, device: device, in: space, actor: actor, wasAllocated: wasAllocated, finish)
        }
    }

    /// The history answered the bind.
    private func bindRecorded(
        _ outcome: HistoryCompletion.Outcome?, _ earlier: WireError?, _ bind: HistoryEvent, _ token: BindingToken,
        device: Int, in space: ClientSpace, actor: Actor, wasAllocated: Bool, _ finish: @escaping BindCompletion
    ) {
        let description = machine.describe(token)
        guard case .recorded(let sequence, _)? = outcome else {
            machine.abandonBinding(token)
            if wasAllocated { recordFree(of: description.ioasid, in: space, cause: .request, actor: actor) {} }
            finish(.failure(earlier ?? outcome.map(Self.notRecorded) ?? Self.notRecordedAtAll))
            return
        }
        if let refusal = publish(token, in: space) {
            undoBinding(token, device: device, in: space, actor: actor) { finish(.failure(refusal)) }
            return
        }
        announce(bind, sequence: sequence, device: device, owner: space.owner)
        finish(.success(description.ioasid))
    }

    /// Ends a binding that is in the history and was never published.
    private func undoBinding(
        _ token: BindingToken, device: Int, in space: ClientSpace, actor: Actor, completion: @escaping () -> Void
    ) {
        let description = machine.describe(token)
        let cause = teardowns.first { $0.space === space }?.cause ?? .request
        let unbind = historyEvent(
            .unbind, of: description.ioasid, guestPASID: description.guestPASID, device: device, in: space,
            cause: cause, actor: actor)
        history.recordFact(unbind) { [self] _ in
            // As in an unbind: no later bind of the IOASID can stand before this row, nor the end of its owner.
            machine.abandonBinding(token)
            if !description.isIOASIDOwned { completion() }
        }
        guard description.isIOASIDOwned else { return }
        recordFree(of: description.ioasid, in: space, cause: cause, actor: actor, completion: completion)
    }

    /// Records that an IOASID was freed.
    func recordFree(
        of ioasid: HostPASID, in space: ClientSpace, cause: HistoryCause, actor: Actor,
        completion: @escaping () -> Void
    ) {
        let event = historyEvent(
            .free, of: ioasid, guestPASID: nil, device: nil, in: space, cause: cause, actor: actor)
        history.recordFact(event) { [self] sequence in
            announce(event, sequence: sequence, device: nil, owner: space.owner)
            completion()
        }
    }

    static func notRecorded(_ outcome: HistoryCompletion.Outcome) -> WireError {
        switch outcome {
        case .recorded: notRecordedAtAll
        case .refused(let refusal):
            WireError(.internalError, "the history refused the event, so nothing is in force: \(refusal)")
        case .failed(let failure):
            WireError(.internalError, "the history could not be written, so nothing is in force: \(failure)")
        }
    }

    private static let notRecordedAtAll = WireError(
        .internalError, "the history could not be written, so nothing is in force")
}
