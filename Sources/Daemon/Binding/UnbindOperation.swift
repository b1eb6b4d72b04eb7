internal import History
internal import Machine
internal import PCIe
internal import Protocol

extension Server {
    /// Completes an unbind that has begun: descriptors gone and entries cleared, then rows durable, then the IOASID is
    /// released and `completion` called.
    func completeUnbinding(
        _ start: UnbindingStart, in space: ClientSpace, cause: HistoryCause, actor: Actor,
        completion: @escaping () -> Void
    ) {
        awaitUnbinding(start, in: space, cause: cause, actor: actor, completion: completion)
        deliverEffects()
    }

    /// The same for several that began together: their effects are there already, and are delivered by the caller once
    /// each of them is awaited.
    func awaitUnbinding(
        _ start: UnbindingStart, in space: ClientSpace, cause: HistoryCause, actor: Actor,
        completion: @escaping () -> Void
    ) {
        space.pendingCount += 1
        let finish = { [self] in
            space.pendingCount -= 1
            completion()
            advanceTeardowns()
        }
        switch start {
        case .departing(let token, _):
            let description = machine.describe(token)
            unbindContinuations[token] = { [self] in
                let event = historyEvent(
                    .unbindDevice, of: description.ioasid, guestPASID: description.guestPASID,
                    device: description.departingDevice, in: space, cause: cause, actor: actor)
                history.recordFact(event) { [self] _ in
                    machine.completeUnbind(token)
                    finish()
                }
            }
        case .unbinding(let token, _):
            let description = machine.describe(token)
            let device = description.devices == 0 ? nil : description.devices.trailingZeroBitCount
            unbindContinuations[token] = { [self] in
                recordUnbind(
                    token, description, device: device, in: space, cause: cause, actor: actor, completion: finish)
            }
        }
    }

    private func recordUnbind(
        _ token: BindingToken, _ description: BindingDescription, device: Int?, in space: ClientSpace,
        cause: HistoryCause, actor: Actor, completion: @escaping () -> Void
    ) {
        let unbind = historyEvent(
            .unbind, of: description.ioasid, guestPASID: description.guestPASID, device: device, in: space,
            cause: cause, actor: actor)
        history.recordFact(unbind) { [self] sequence in
            announce(unbind, sequence: sequence, device: device, owner: space.owner)
            // The IOASID is released only now, so that no later bind of it can stand before this row.
            machine.completeUnbind(token)
            if !description.isIOASIDReleased { completion() }
        }
        guard description.isIOASIDReleased else { return }
        recordFree(of: description.ioasid, in: space, cause: cause, actor: actor, completion: completion)
    }
}
