internal import DSA
internal import Foundation
internal import History
internal import Machine
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

extension Server {
    func negotiate(_ arguments: WireQmpCapabilitiesArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        var enabled: Set<String> = []
        for (index, name) in arguments.enable.enumerated() {
            guard Greeting.capabilities.contains(name) else {
                throw WireError(
                    .invalidArgument, "there is no capability \(JSONValue.quoted(name)); the greeting lists all",
                    path: "arguments.enable[\(index)]")
            }
            guard enabled.insert(name).inserted else {
                throw WireError(
                    .invalidArgument, "the capability \(name) is given twice", path: "arguments.enable[\(index)]")
            }
        }
        session.acceptsOutOfBand = enabled.contains("oob")
        session.phase = session.transport == .tcp ? .unauthenticated : .ready
        replyEmpty(to: session, id: id)
    }

    func authenticate(_ arguments: WireAuthenticateArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let token = configuration.tcp?.token.bytes, Self.areEqual(Array(arguments.token.utf8), token) else {
            throw WireError(
                .notAuthenticated, "the token is wrong; it stands in the file that tcp.tokenFile names",
                path: "arguments.token")
        }
        session.phase = .ready
        replyEmpty(to: session, id: id)
    }

    /// Compares without telling by its duration how far two secrets agree.
    private static func areEqual(_ given: [UInt8], _ secret: [UInt8]) -> Bool {
        var difference = given.count ^ secret.count
        for index in given.indices {
            difference |= Int(given[index] ^ (secret.isEmpty ? 0 : secret[index % secret.count]))
        }
        return difference == 0
    }

    func queryVersion(_ id: RequestID, _ session: Session) {
        var result = WireQueryVersionReturn()
        result.qemu.major = ProjectVersion.major
        result.qemu.minor = ProjectVersion.minor
        result.qemu.micro = ProjectVersion.micro
        result.package = DaemonVersion.package
        reply(result, to: session, id: id)
    }

    func queryCommands(_ id: RequestID, _ session: Session) {
        var result = WireQueryCommandsReturn()
        result.items = CommandCatalogue.current.commands.map { description in
            var item = WireQueryCommandsReturn.Command()
            item.name = description.name
            return item
        }
        reply(result, to: session, id: id)
    }

    func querySchema(_ id: RequestID, _ session: Session) {
        var result = WireQuerySchemaReturn()
        result.fileDescriptorSet = Data(CommandCatalogue.current.fileDescriptorSet)
        reply(result, to: session, id: id)
    }

    func queryStatus(_ id: RequestID, _ session: Session) {
        var result = WireQueryStatusReturn()
        result.state = stop == nil ? .running : .stopping
        result.uptimeMs = (MonotonicClock.nanoseconds() - startedAt) / 1_000_000
        result.connections = UInt32(sessions.count)
        result.processes = UInt32(processes.count)
        result.vms = UInt32(vms.count)
        result.boundIoasids = UInt32(machine.boundCount)
        result.allocatedIoasids = machine.ioasids.allocatedCount
        result.durability =
            switch configuration.durability {
            case .full: .full
            case .normal: .normal
            case .off: .off
            }
        result.lastDurableSequence = UInt64(history.lastDurableSequence)
        let totals = machine.totals
        result.accepted = totals.accepted
        result.completed = totals.completed
        result.abandoned = totals.abandoned
        result.retried = totals.retried
        result.inFlight = machine.inFlight
        result.droppedEvents = totalDroppedEvents
        reply(result, to: session, id: id)
    }

    func queryConnection(_ id: RequestID, _ session: Session) {
        var result = WireQueryConnectionReturn()
        result.connection = session.id
        result.transport =
            switch session.transport {
            case .unix: .unix
            case .unixReadOnly: .unixReadOnly
            case .unixAdmin: .unixAdmin
            case .tcp: .tcp
            }
        if let credentials = session.credentials {
            result.uid = credentials.user.rawValue
            result.gid = credentials.group.rawValue
            if let process = credentials.process { result.pid = UInt32(process.rawValue) }
        }
        switch session.role {
        case .observer:
            result.role = .observer
        case .thread(let space, _, let number):
            result.role = .processThread
            result.process = space.number
            result.thread = number
        case .vcpu(let space, _, let number):
            result.role = .virtualProcessor
            result.vm = space.number
            result.vcpu = number
        }
        result.admin = session.isAdmin
        result.subscriptions = session.subscription.description
        result.droppedEvents = session.droppedEvents
        reply(result, to: session, id: id)
    }

    func subscribeEvents(
        _ arguments: WireSubscribeEventsArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        do {
            session.subscription = try EventSubscription(arguments.events)
        } catch {
            throw WireError(
                .invalidArgument,
                "there is no event \(JSONValue.quoted(error.name)); Protos/swq/v1/events.proto lists all",
                path: "arguments.events")
        }
        var result = WireSubscribeEventsReturn()
        result.events = session.subscription.description
        reply(result, to: session, id: id)
    }

    func shutdown(_ id: RequestID, _ session: Session) {
        replyEmpty(to: session, id: id)
        beginStop(.commandShutdown, because: "the command shutdown of connection \(session.id)")
    }
}
