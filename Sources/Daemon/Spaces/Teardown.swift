internal import History
internal import Machine
internal import PCIe
internal import ProtocolMessages

/// The end of a process or a VM under way.
///
///     unbinding ──nothing bound, nothing waits──> releasing memory ──windows back──> gone
///
/// While a bind or unbind of the space is still waiting for the history or for descriptors, the teardown waits for it
/// and tries again when it has ended.
final class Teardown {
    enum Phase {
        case unbinding
        case releasing
    }

    let space: ClientSpace
    let cause: HistoryCause
    var phase = Phase.unbinding
    var completions: [() -> Void] = []

    init(space: ClientSpace, cause: HistoryCause) {
        self.space = space
        self.cause = cause
    }
}

extension Server {
    /// Ends a session's part in the machine. A process whose last thread it was ends with it.
    func releaseProcessor(of session: Session, cause: HistoryCause, completion: @escaping () -> Void = {}) {
        for attachment in session.interrupts where attachment.isRequested { detach(attachment) }
        releaseFiles(of: session, cause: cause)
        let role = session.role
        if let space = session.space { stopServing(space, session) }
        endRing(of: session)
        session.role = .observer
        session.processor = -1
        switch role {
        case .observer:
            completion()
        case .thread(let space, let processor, _):
            // Without the program whose memory it is, no thread is left that could have any.
            let isOwner = space.reached?.owner == session.id
            guard machine.removeProcessor(processor) || isOwner, !space.isDying else {
                completion()
                return
            }
            tearDown(space, cause: cause, completion: completion)
        case .vcpu(_, let processor, _):
            _ = machine.removeProcessor(processor)
            completion()
        }
    }

    /// Ends a process or a VM: nobody runs in it any more, its PASIDs are unbound and durably so, its memory goes.
    func tearDown(_ space: ClientSpace, cause: HistoryCause, completion: @escaping () -> Void) {
        if let running = teardowns.first(where: { $0.space === space }) {
            running.completions.append(completion)
            return
        }
        space.isDying = true
        refusePageRequests(of: CollectionOfOne(space))
        for session in sessions.values where session.space === space {
            session.role = .observer
            endRing(of: session)
            memoryWaiters.removeAll { $0.session === session }
            endHalt(of: session)
            if session.processor >= 0 { _ = machine.removeProcessor(session.processor) }
            session.processor = -1
        }
        let teardown = Teardown(space: space, cause: cause)
        teardown.completions.append(completion)
        teardowns.append(teardown)
        advanceTeardowns()
    }

    /// Takes every teardown as far as it can go.
    func advanceTeardowns() {
        for teardown in teardowns where teardown.phase == .unbinding { advance(teardown) }
    }

    private func advance(_ teardown: Teardown) {
        let space = teardown.space
        if space.pendingCount == 0 { beginUnbinds(of: teardown) }
        guard space.pendingCount == 0, teardown.phase == .unbinding else { return }
        teardown.phase = .releasing
        var remaining = space.regions.count + 1
        let released = { [self] in
            remaining -= 1
            if remaining == 0 { finish(teardown) }
        }
        for start in Array(space.regions.keys) { release(startingAt: start, in: space, completion: released) }
        released()
    }

    private func beginUnbinds(of teardown: Teardown) {
        let space = teardown.space
        switch space.index {
        case .process(let process):
            guard machine.hasBinding(space.index) else { return }
            unbind(teardown) { server throws(MachineError) in
                try server.machine.beginUnbind(ofProcess: process, device: nil)
            }
        case .virtualMachine(let vm):
            // All of them in one rendezvous.
            let actor = Actor(onBehalfOf: space.owner)
            for start in machine.beginUnbindAll(ofVM: vm) {
                awaitUnbinding(start, in: space, cause: teardown.cause, actor: actor) {}
            }
            deliverEffects()
            // Left are those that the client allocated, bound or not.
            guard space.pendingCount == 0 else { return }
            for member in machine.ioasidsOfVM(vm) {
                do throws(MachineError) {
                    _ = try machine.freeIOASID(member.ioasid, ofVM: vm)
                } catch { preconditionFailure("an unbound IOASID can be freed: \(error)") }
                space.pendingCount += 1
                recordFree(of: member.ioasid, in: space, cause: teardown.cause, actor: actor) { [self] in
                    space.pendingCount -= 1
                    advanceTeardowns()
                }
            }
        }
    }

    private func unbind(_ teardown: Teardown, _ begin: (Server) throws(MachineError) -> UnbindingStart) {
        do throws(MachineError) {
            let start = try begin(self)
            let actor = Actor(onBehalfOf: teardown.space.owner)
            completeUnbinding(start, in: teardown.space, cause: teardown.cause, actor: actor) {}
        } catch {
            preconditionFailure("nothing else waits on a space that is torn down: \(error)")
        }
    }

    private func finish(_ teardown: Teardown) {
        let space = teardown.space
        teardowns.removeAll { $0 === teardown }
        for mapping in machine.mappings(of: space.index) {
            do throws(MachineError) {
                _ = try machine.unmap(startingAt: mapping.start, from: space.index)
            } catch { preconditionFailure("a mapping that is listed can be removed: \(error)") }
        }
        switch space.index {
        case .process(let process):
            space.reached?.executor.stop()
            machine.removeProcess(process)
            processes[space.number] = nil
            var event = WireProcessEvent()
            event.process = space.number
            event.cause = WireHistoryCause(teardown.cause)
            announce(.processDestroyed(event), about: space.owner)
        case .virtualMachine(let vm):
            machine.removeVM(vm)
            vms[space.number] = nil
            var event = WireVmEvent()
            event.vm = space.number
            event.name = space.name
            announce(.vmDestroyed(event), about: space.owner)
        }
        for completion in teardown.completions { completion() }
    }
}
