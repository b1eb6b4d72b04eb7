internal import Logging
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    /// Accepts what waits on a listener.
    func acceptConnections(on index: Int) {
        guard index < listeners.count else { return }
        while stop == nil {
            switch listeners[index].listener.accept() {
            case .accepted(let socket):
                guard sessions.count < configuration.limits.connections else {
                    refuse(socket)
                    continue
                }
                open(socket, transport: listeners[index].transport)
            case .wouldBlock:
                return
            case .transient(let error):
                log.debug("a connection was lost before it was accepted", metadata: ["error": "\(error)"])
            case .exhausted(let error):
                shed(on: index, error)
                return
            case .failed(let error):
                log.error("a listener failed", metadata: ["error": "\(error)"])
                pause(index)
                return
            }
        }
    }

    /// Tells a client why it is not served. What does not fit into the socket buffer is lost with it.
    private func refuse(_ socket: consuming StreamSocket) {
        var farewell = OutputBuffer()
        farewell.append(
            WireError(
                .limitExceeded,
                "\(sessions.count) connections are open, as many as limits.connections allows; try again later"),
            id: .none)
        unsafe farewell.withBytes { bytes in _ = unsafe socket.write(bytes) }
    }

    /// No descriptor is left: gives connections up on the reserve's, so that the listener does not stay readable.
    private func shed(on index: Int, _ error: SystemError) {
        log.warning("connections are refused: no descriptor is left", metadata: ["error": "\(error)"])
        var farewell = OutputBuffer()
        farewell.append(
            WireError(.resourceExhausted, "the daemon has no file descriptor left; try again later"), id: .none)
        let bytes = unsafe farewell.withBytes { unsafe Array($0) }
        while true {
            switch reserve.shed(from: listeners[index].listener, farewell: bytes) {
            case .shed: continue
            case .nothingPending: return
            case .stillExhausted:
                pause(index)
                return
            }
        }
    }

    private func pause(_ index: Int) {
        guard !listeners[index].isPaused else { return }
        listeners[index].isPaused = true
        try? poller.remove(listeners[index].listener.descriptor)
    }

    /// Polls paused listeners again; called at every heartbeat and whenever a connection closes.
    func resumeListeners() {
        try? reserve.rearm()
        for index in listeners.indices where listeners[index].isPaused && reserve.isArmed {
            do {
                try poller.add(
                    listeners[index].listener.descriptor, events: .readable, token: Source.listener | UInt64(index))
                listeners[index].isPaused = false
            } catch {
                log.error("a listener cannot be polled", metadata: ["error": "\(error)"])
            }
        }
    }

    private func open(_ socket: consuming StreamSocket, transport: Session.Transport) {
        var credentials: PeerCredentials?
        if transport != .tcp {
            do { credentials = try socket.peerCredentials() } catch {
                log.warning("a client without credentials was refused", metadata: ["error": "\(error)"])
                return
            }
        }
        let session = Session(
            id: nextSession, socket: socket, transport: transport, credentials: credentials,
            memory: memoryAccount(of: credentials.map { .user($0.user) } ?? .tokenHolder),
            lineBytesMax: configuration.limits.lineBytes)
        nextSession = nextSession &+ 1 & 0x3FFF_FFFF
        let slot = freeSlots.popLast() ?? sessionSlots.count
        do {
            try poller.add(
                session.socket.descriptor, events: session.interest.events, token: Self.token(session, slot: slot))
        } catch {
            log.error("a connection cannot be polled", metadata: ["error": "\(error)"])
            freeSlots.append(slot)
            if slot == sessionSlots.count { sessionSlots.append(nil) }
            return
        }
        if slot == sessionSlots.count { sessionSlots.append(session) } else { sessionSlots[slot] = session }
        session.slot = slot
        sessions[session.id] = session
        log.debug("connection opened", metadata: ["connection": "\(session.id)", "transport": "\(transport)"])
        session.output.append(greeting(requiresToken: transport == .tcp))
        markDirty(session)
    }

    private func memoryAccount(of identity: ClientIdentity) -> MemoryAccount {
        if let account = memoryAccounts[identity] { return account }
        let account = MemoryAccount()
        memoryAccounts[identity] = account
        return account
    }

    static func token(_ session: Session, slot: Int) -> UInt64 {
        UInt64(session.id & 0x3FFF_FFFF) << 32 | UInt64(slot)
    }

    private func greeting(requiresToken: Bool) -> Greeting {
        Greeting(
            version: Greeting.Version(
                major: ProjectVersion.major, minor: ProjectVersion.minor, micro: ProjectVersion.micro),
            package: DaemonVersion.package, limits: configuration.wireLimits, requiresToken: requiresToken)
    }
}
