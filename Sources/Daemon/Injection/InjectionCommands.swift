internal import DSA
internal import DSASpec
internal import History
internal import Logging
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages

/// A rule of fault injection as its clients know it.
struct InjectionRecord {
    /// The connection whose end is the end of the rule; `nil` for one of an admin.
    let session: Session.ID?
    /// The devices that have it.
    let devices: [Int]
}

extension Server {
    func injectFault(_ arguments: WireInjectFaultArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let devices =
            arguments.hasDevice ? [try deviceIndex(arguments.device)] : Array(deviceNames.indices)
        var rule = InjectionRule(try action(of: arguments))
        if arguments.hasOpcode { rule.opcode = Opcode(rawValue: UInt8(arguments.opcode)) }
        if arguments.hasWq { rule.workQueue = Int(arguments.wq) }
        if arguments.hasPasid { rule.pasid = HostPASID(rawValue: arguments.pasid) }
        if arguments.hasMember { rule.member = arguments.member }
        if arguments.hasAfter { rule.skipped = arguments.after }
        if arguments.hasCount { rule.count = arguments.count }
        if arguments.hasPerMillion { rule.perMillion = arguments.perMillion }
        if arguments.hasSeed { rule.seed = arguments.seed }
        if !session.isAdmin { rule.pasid = try ownPASID(for: rule, session) }
        let number = nextInjection
        nextInjection += 1
        for device in devices { machine.addInjection(rule, id: number, device: device) }
        injections[number] = InjectionRecord(session: session.isAdmin ? nil : session.id, devices: devices)
        var result = WireInjectFaultReturn()
        result.id = number
        reply(result, to: session, id: id)
    }

    private func action(of arguments: WireInjectFaultArguments) throws(WireError) -> InjectionRule.Action {
        let needsValue = [.pageFault, .partial, .status].contains(arguments.action)
        guard needsValue == arguments.hasValue else {
            throw WireError(
                .invalidArgument, needsValue ? "this action needs a value" : "this action has no value",
                path: "arguments.value")
        }
        switch arguments.action {
        case .retry, .UNRECOGNIZED: return .retry
        case .pageFault: return .pageFault(page: arguments.value)
        case .partial: return .partial(byteCount: arguments.value)
        case .status:
            guard let code = UInt8(exactly: arguments.value), code > 0 else {
                throw WireError(
                    .invalidArgument, "is \(arguments.value); a status is 1 to 255", path: "arguments.value")
            }
            return .status(CompletionStatus(rawValue: code))
        case .halt: return .halt
        case .disableWq: return .disableWorkQueue
        case .revokePasid: return .revokePASID
        }
    }

    /// The PASID that a client without privilege may have rules for.
    private func ownPASID(for rule: InjectionRule, _ session: Session) throws(WireError) -> HostPASID {
        switch rule.action {
        case .halt, .disableWorkQueue:
            throw WireError(
                .permissionDenied, "this action concerns other clients as well; use the admin socket",
                path: "arguments.action")
        case .retry, .pageFault, .partial, .status, .revokePASID: break
        }
        guard let process = session.space?.processIndex, let pasid = machine.pasid(ofProcess: process) else {
            throw WireError(
                .permissionDenied,
                "the connection has no bound PASID for which it may inject failures; bind one, or use the admin socket",
                path: "execute")
        }
        guard rule.pasid == nil || rule.pasid == pasid else {
            throw WireError(
                .permissionDenied, "PASID \(pasid.rawValue) is the only one that the connection may name",
                path: "arguments.pasid")
        }
        return pasid
    }

    func queryInjections(_ id: RequestID, _ session: Session) {
        var result = WireQueryInjectionsReturn()
        let seesAll = session.isAdmin || session.transport == .unixReadOnly
        for device in deviceNames.indices {
            for armed in machine.devices[device].injector.rules {
                guard seesAll || injections[armed.id]?.session == session.id else { continue }
                var item = WireQueryInjectionsReturn.Injection()
                item.id = armed.id
                item.device = deviceNames[device]
                item.action = WireInjectFaultArguments.Action(armed.rule.action)
                item.matched = armed.matchCount
                item.injected = armed.injectionCount
                item.spent = armed.isSpent
                result.items.append(item)
            }
        }
        result.items.sort { ($0.id, $0.device) < ($1.id, $1.device) }
        reply(result, to: session, id: id)
    }

    func removeInjection(
        _ arguments: WireRemoveInjectionArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        guard let record = injections[arguments.id], session.isAdmin || record.session == session.id else {
            throw WireError(
                .notFound, "the client has no rule \(arguments.id); query-injections lists its rules",
                path: "arguments.id")
        }
        removeInjection(arguments.id)
        replyEmpty(to: session, id: id)
    }

    private func removeInjection(_ number: UInt32) {
        guard let record = injections.removeValue(forKey: number) else { return }
        for device in record.devices { machine.removeInjection(number, device: device) }
    }

    /// Takes back the rules that end with a connection.
    func removeInjections(of session: Session) {
        guard !injections.isEmpty else { return }
        for (number, record) in injections where record.session == session.id { removeInjection(number) }
    }

    /// Does what an injected failure asks of the driver.
    func carryOut(_ request: InjectedRequest, device: Int) {
        switch request {
        case .disableWorkQueue(let queue):
            if case .lost = machine.execute(.disableWorkQueues(1 << UInt64(queue)), device: device) {
                log.warning(
                    "an injected Disable WQ was lost: a command is active",
                    metadata: ["device": "\(deviceNames[device])", "wq": "\(queue)"])
            }
            announceStates(ofDevice: device)
        case .revokePASID(let pasid):
            revoke(pasid)
        }
    }

    private func revoke(_ pasid: HostPASID) {
        for space in processes.values {
            guard !space.isDying, let process = space.processIndex, machine.pasid(ofProcess: process) == pasid else {
                continue
            }
            unbind(space) { server throws(MachineError) in
                try server.machine.beginUnbind(ofProcess: process, device: nil)
            }
            return
        }
        for space in vms.values where !space.isDying {
            guard let vm = space.vmIndex,
                let member = machine.ioasidsOfVM(vm).first(where: { $0.ioasid == pasid }),
                let guestPASID = member.guestPASID
            else { continue }
            unbind(space) { server throws(MachineError) in
                try server.machine.beginUnbind(ofGuest: guestPASID, inVM: vm, device: nil)
            }
            return
        }
    }

    private func unbind(_ space: ClientSpace, _ begin: (Server) throws(MachineError) -> UnbindingStart) {
        do throws(MachineError) {
            let start = try begin(self)
            completeUnbinding(start, in: space, cause: .request, actor: Actor(onBehalfOf: space.owner)) {}
        } catch {
            // It is on its way out already.
            log.debug("an injected unbind had nothing to do", metadata: ["reason": "\(error)"])
        }
    }
}

extension WireInjectFaultArguments.Action {
    fileprivate init(_ action: InjectionRule.Action) {
        self =
            switch action {
            case .retry: .retry
            case .pageFault: .pageFault
            case .partial: .partial
            case .status: .status
            case .halt: .halt
            case .disableWorkQueue: .disableWq
            case .revokePASID: .revokePasid
            }
    }
}
