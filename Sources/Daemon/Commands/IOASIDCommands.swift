internal import History
internal import IOMMU
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

extension Server {
    func allocateIOASID(_ arguments: WireAllocIoasidArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try vmSpace(arguments.hasVm ? arguments.vm : nil, session)
        guard let vm = space.vmIndex else { preconditionFailure("a VM's space is a VM") }
        let ioasid: HostPASID
        do throws(MachineError) { ioasid = try machine.allocateIOASID(forVM: vm) } catch { throw WireError(error) }
        let actor = Actor(session)
        let event = historyEvent(
            .alloc, of: ioasid, guestPASID: nil, device: nil, in: space, cause: .request, actor: actor)
        space.pendingCount += 1
        session.isParked = true
        history.record(event) { [self] outcome in
            space.pendingCount -= 1
            switch outcome {
            case .recorded(let sequence, _):
                announce(event, sequence: sequence, device: nil, owner: space.owner)
                var result = WireAllocIoasidReturn()
                result.ioasid = ioasid.rawValue
                reply(result, to: session, id: id)
            case .refused, .failed:
                do throws(MachineError) { _ = try machine.freeIOASID(ioasid, ofVM: vm) } catch {
                    preconditionFailure("nobody knows an IOASID whose allocation was not answered: \(error)")
                }
                reply(Self.notRecorded(outcome), to: session, id: id)
            }
            unpark(session)
            advanceTeardowns()
        }
    }

    func freeIOASID(_ arguments: WireFreeIoasidArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let ioasid = HostPASID(rawValue: arguments.ioasid),
            let description = machine.ioasids.description(of: ioasid),
            let space = vms.values.first(where: { space in
                space.vmIndex.map { machine.ioasidSet(ofVM: $0) == description.set } ?? false
            }), session.isAdmin || space.owner == session.identity, let vm = space.vmIndex
        else {
            throw WireError(
                .notFound, "there is no IOASID \(arguments.ioasid) in a VM of this client", path: "arguments.ioasid")
        }
        try checkAlive(space)
        guard space.pendingCount == 0 else { throw WireError(MachineError.bindingInProgress) }
        let start: FreeStart
        do throws(MachineError) { start = try machine.freeIOASID(ioasid, ofVM: vm) } catch { throw WireError(error) }
        session.isParked = true
        let answer = { [self] in
            replyEmpty(to: session, id: id)
            unpark(session)
        }
        switch start {
        case .alreadyPending:
            answer()
        case .reclaimed:
            space.pendingCount += 1
            recordFree(of: ioasid, in: space, cause: .request, actor: Actor(session)) { [self] in
                space.pendingCount -= 1
                answer()
                advanceTeardowns()
            }
        case .ending(let token):
            // Free before unbind: its users clean up, and the rows are those of an unbind and a free.
            completeUnbinding(
                .unbinding(token, ioasid), in: space, cause: .request, actor: Actor(session), completion: answer)
        }
    }

    func bindProcess(_ arguments: WireBindProcessArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let space = session.space, let process = space.processIndex else {
            preconditionFailure("the rule of bind-process requires a process")
        }
        try checkAlive(space)
        let device = try deviceIndex(arguments.device)
        let start: BindingStart
        do throws(MachineError) {
            start = try machine.prepareBinding(ofProcess: process, device: device)
        } catch { throw WireError(error) }
        bind(start, in: space, device: device, session) { [self] ioasid in
            var result = WireBindProcessReturn()
            result.pasid = ioasid.rawValue
            reply(result, to: session, id: id)
        } onFailure: { [self] error in
            reply(error, to: session, id: id)
        }
    }

    func bindGuestPASID(
        _ arguments: WireBindGuestPasidArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let space = try vmSpace(arguments.hasVm ? arguments.vm : nil, session)
        guard let vm = space.vmIndex, let guestPASID = GuestPASID(rawValue: arguments.guestPasid) else {
            preconditionFailure("the walker has checked the guest PASID")
        }
        let device = try deviceIndex(arguments.device)
        var ioasid: HostPASID?
        if arguments.hasIoasid { ioasid = HostPASID(rawValue: arguments.ioasid) }
        var stage = GuestStage.secondStageOnly
        if arguments.hasFirstLevel {
            let root = try address(arguments.firstLevel, "firstLevel")
            stage = .nested(
                firstLevel: GuestPhysicalAddress(rawValue: root), arguments.levels == 5 ? .five : .four)
        } else if arguments.hasLevels {
            throw WireError(
                .invalidArgument, "comes only with firstLevel, the page table that has these levels",
                path: "arguments.levels")
        }
        let start: BindingStart
        do throws(MachineError) {
            start = try machine.prepareBinding(
                ofGuest: guestPASID, inVM: vm, device: device, ioasid: ioasid, stage: stage)
        } catch { throw WireError(error) }
        bind(start, in: space, device: device, session) { [self] ioasid in
            var result = WireBindGuestPasidReturn()
            result.ioasid = ioasid.rawValue
            reply(result, to: session, id: id)
        } onFailure: { [self] error in
            reply(error, to: session, id: id)
        }
    }

    private func bind(
        _ start: BindingStart, in space: ClientSpace, device: Int, _ session: Session,
        onSuccess: @escaping (HostPASID) -> Void, onFailure: @escaping (WireError) -> Void
    ) {
        session.isParked = true
        completeBinding(start, in: space, device: device, actor: Actor(session)) { [self] result in
            switch result {
            case .success(let ioasid): onSuccess(ioasid)
            case .failure(let error): onFailure(error)
            }
            unpark(session)
        }
    }

    func unbindProcess(_ arguments: WireUnbindProcessArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let space = session.space, let process = space.processIndex else {
            preconditionFailure("the rule of unbind-process requires a process")
        }
        try checkAlive(space)
        let device = try deviceIndex(arguments.device)
        let start: UnbindingStart
        do throws(MachineError) {
            start = try machine.beginUnbind(ofProcess: process, device: device)
        } catch { throw WireError(error) }
        unbind(start, in: space, id, session)
    }

    func unbindGuestPASID(
        _ arguments: WireUnbindGuestPasidArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let space = try vmSpace(arguments.hasVm ? arguments.vm : nil, session)
        guard let vm = space.vmIndex, let guestPASID = GuestPASID(rawValue: arguments.guestPasid) else {
            preconditionFailure("the walker has checked the guest PASID")
        }
        let device = arguments.hasDevice ? try deviceIndex(arguments.device) : nil
        let start: UnbindingStart
        do throws(MachineError) {
            start = try machine.beginUnbind(ofGuest: guestPASID, inVM: vm, device: device)
        } catch { throw WireError(error) }
        unbind(start, in: space, id, session)
    }

    private func unbind(_ start: UnbindingStart, in space: ClientSpace, _ id: RequestID, _ session: Session) {
        session.isParked = true
        completeUnbinding(start, in: space, cause: .request, actor: Actor(session)) { [self] in
            replyEmpty(to: session, id: id)
            unpark(session)
        }
    }

    /// The VM that a request names, or that the vCPU belongs to.
    func vmSpace(_ vm: UInt32?, _ session: Session) throws(WireError) -> ClientSpace {
        if let vm { return try ownedSpace(vms[vm], "VM \(vm)", "vm", session) }
        guard case .vcpu(let space, _, _) = session.role else {
            throw WireError(
                .wrongState, "the connection is not a vCPU, so the VM is not known; give vm", path: "arguments.vm")
        }
        try checkAlive(space)
        return space
    }

    // MARK: Queries

    func queryIOASIDs(_ arguments: WireQueryIoasidsArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        var result = WireQueryIoasidsReturn()
        var machines = vms.values.filter { sees($0, session) }
        if arguments.hasVm {
            guard let space = vms[arguments.vm], sees(space, session) else {
                throw WireError(.notFound, "there is no VM \(arguments.vm) of this client", path: "arguments.vm")
            }
            machines = [space]
        }
        for space in machines {
            guard let vm = space.vmIndex else { continue }
            for member in machine.ioasidsOfVM(vm) {
                if let status = status(of: member.ioasid, vm: space.number, process: nil) {
                    result.items.append(status)
                }
            }
        }
        if !arguments.hasVm {
            for member in machine.ioasidsOfProcesses() {
                guard let space = processes[machine.processID(member.process).rawValue], sees(space, session),
                    let status = status(of: member.ioasid, vm: nil, process: space.number)
                else { continue }
                result.items.append(status)
            }
        }
        result.items.sort { $0.ioasid < $1.ioasid }
        reply(result, to: session, id: id)
    }

    func queryIOASIDSets(_ id: RequestID, _ session: Session) {
        var result = WireQueryIoasidSetsReturn()
        func append(_ set: IOASIDSetID, vm: UInt32?) {
            guard let description = machine.ioasids.description(of: set) else { return }
            var status = WireIoasidSetStatus()
            status.set = UInt32(truncatingIfNeeded: set.rawValue)
            if let vm { status.vm = vm }
            status.quota = description.quota
            status.count = description.count
            result.items.append(status)
        }
        append(machine.hostSet, vm: nil)
        for space in vms.values where sees(space, session) {
            if let vm = space.vmIndex { append(machine.ioasidSet(ofVM: vm), vm: space.number) }
        }
        result.items.sort { $0.set < $1.set }
        reply(result, to: session, id: id)
    }

    /// Whether a query of this connection shows a space.
    func sees(_ space: ClientSpace, _ session: Session) -> Bool {
        session.isAdmin || session.transport == .unixReadOnly || space.owner == session.identity
    }

    private func status(of ioasid: HostPASID, vm: UInt32?, process: UInt32?) -> WireIoasidStatus? {
        guard let description = machine.ioasids.description(of: ioasid) else { return nil }
        var status = WireIoasidStatus()
        status.ioasid = ioasid.rawValue
        status.set = UInt32(truncatingIfNeeded: description.set.rawValue)
        status.state =
            switch description.state {
            case .free, .idle: .idle
            case .active: .active
            case .freePending: .freePending
            }
        status.references = description.referenceCount
        if let spid = description.spid { status.guestPasid = spid.rawValue }
        if let vm { status.vm = vm }
        if let process { status.process = process }
        if let binding = machine.describeBinding(of: ioasid) {
            let bound = deviceNames.indices.filter { binding.devices >> UInt64($0) & 1 == 1 }
            status.devices = bound.map { deviceNames[$0] }.sorted()
        }
        return status
    }
}
