internal import Protocol
internal import ProtocolMessages
internal import Virtualization

extension Server {
    /// Carries out one framed request, or answers why not.
    func execute(_ text: Span<UInt8>, in range: Range<Int>, _ session: Session) {
        let envelope: RequestEnvelope
        do throws(RequestRefusal) {
            envelope = try RequestEnvelope(text, in: range)
        } catch {
            reply(error.error, to: session, id: error.id)
            // Whoever speaks another protocol to a TCP port, a browser for one, gets no second line.
            if session.transport == .tcp, !session.hasSentRequest, error.error.errorClass == .invalidJSON {
                session.closesWhenFlushed = true
            }
            return
        }
        session.hasSentRequest = true
        if envelope.isOutOfBand, !session.acceptsOutOfBand {
            let error = WireError(
                .commandNotFound,
                "exec-oob was not enabled; give the capability oob to qmp_capabilities", path: "exec-oob")
            reply(error, to: session, id: envelope.id)
            return
        }
        if session.isParked, !envelope.isOutOfBand {
            putAside(text.extracting(range), session)
            return
        }
        if let refusal = legality(of: CommandCatalogue.current[envelope.command], for: session) {
            reply(refusal, to: session, id: envelope.id)
            if refusal.errorClass == .notAuthenticated { session.closesWhenFlushed = true }
            return
        }
        do throws(RequestRefusal) {
            carryOut(try envelope.request(), id: envelope.id, session)
        } catch {
            reply(error.error, to: session, id: error.id)
        }
    }

    /// What a daemon that stops still does, besides what reads only: the drain waits for held engines, and the end
    /// for a held history.
    private static let commandsWhileStopping: Set<Command> = [.shutdown, .xEngineHold, .xHistoryHold]

    /// Why a connection may not use a command now; `nil` when it may.
    func legality(of description: CommandDescription, for session: Session) -> WireError? {
        let name = description.name
        switch session.phase {
        case .greeted:
            guard description.command == .qmpCapabilities else {
                return WireError(
                    .notNegotiated, "\(name) comes after the negotiation; send qmp_capabilities first", path: "execute")
            }
            return nil
        case .unauthenticated:
            guard description.command == .authenticate else {
                return WireError(
                    .notAuthenticated, "\(name) comes after authenticate; send the token first", path: "execute")
            }
            return nil
        case .ready:
            break
        }
        if session.transport == .unixReadOnly, !description.rule.readOnly {
            return WireError(
                .permissionDenied, "the read-only socket does not serve \(name); use the main socket", path: "execute")
        }
        if stop != nil, !description.rule.readOnly, !Self.commandsWhileStopping.contains(description.command) {
            return Self.shuttingDown
        }
        switch description.rule.requires {
        case .negotiated, .UNRECOGNIZED:
            return nil
        case .greeted:
            return WireError(.wrongState, "the negotiation is complete; \(name) comes once", path: "execute")
        case .unauthenticated:
            return WireError(
                .wrongState, "authenticate is for TCP connections that have not authenticated", path: "execute")
        case .observer:
            guard case .observer = session.role else {
                return WireError(
                    .permissionDenied, "the connection is a logical processor already; detach it first, or use another",
                    path: "execute")
            }
        case .processor:
            guard session.processor >= 0 else {
                return WireError(
                    .permissionDenied,
                    "the connection is no logical processor; use attach-process or attach-vcpu first", path: "execute")
            }
        case .process:
            guard case .thread = session.role else {
                return WireError(
                    .permissionDenied, "the connection is not attached to a process; use attach-process first",
                    path: "execute")
            }
        case .vcpu:
            guard case .vcpu = session.role else {
                return WireError(
                    .permissionDenied, "the connection is not attached to a vCPU; use attach-vcpu first",
                    path: "execute")
            }
        case .admin:
            guard session.isAdmin else {
                return WireError(
                    .permissionDenied, "\(name) needs a connection of the admin socket", path: "execute")
            }
        }
        return nil
    }

    private func carryOut(_ request: Request, id: RequestID, _ session: Session) {
        do throws(WireError) {
            switch request {
            case .qmpCapabilities(let arguments): try negotiate(arguments, id, session)
            case .authenticate(let arguments): try authenticate(arguments, id, session)
            case .queryVersion: queryVersion(id, session)
            case .queryCommands: queryCommands(id, session)
            case .querySchema: querySchema(id, session)
            case .queryStatus: queryStatus(id, session)
            case .queryConnection: queryConnection(id, session)
            case .subscribeEvents(let arguments): try subscribeEvents(arguments, id, session)
            case .shutdown: shutdown(id, session)
            case .attachProcess(let arguments): try attachProcess(arguments, id, session)
            case .detach: detach(id, session)
            case .createVm(let arguments): try createVM(arguments, id, session)
            case .destroyVm(let arguments): try destroyVM(arguments, id, session)
            case .attachVcpu(let arguments): try attachVCPU(arguments, id, session)
            case .queryProcessor: queryProcessor(id, session)
            case .readMsr(let arguments): try readMSR(arguments, id, session)
            case .writeMsr(let arguments): try writeMSR(arguments, id, session)
            case .writeCr3(let arguments): try writeCR3(arguments, id, session)
            case .setCpl(let arguments): try setCPL(arguments, id, session)
            case .mapPortal(let arguments): try mapPortal(arguments, id, session)
            case .unmapPortal(let arguments): try unmapPortal(arguments, id, session)
            case .enqcmd(let arguments): try submit(.enqcmd, arguments, id, session)
            case .enqcmds(let arguments): try submit(.enqcmds, arguments, id, session)
            case .movdir64b(let arguments): try submit(.movdir64b, arguments, id, session)
            case .umwait(let arguments): try umwait(arguments, id, session)
            case .hlt: halt(id, session)
            case .wakeVcpu(let arguments): try wakeVCPU(arguments, id, session)
            case .cpuid(let arguments): try identify(arguments, id, session)
            case .xsaves(let arguments): try switchExtendedState(arguments, isSave: true, id, session)
            case .xrstors(let arguments): try switchExtendedState(arguments, isSave: false, id, session)
            case .queryVm(let arguments): try queryVM(arguments, id, session)
            case .allocMemory(let arguments): try allocateMemory(arguments, id, session)
            case .createSharedMemory(let arguments): try createSharedMemory(arguments, id, session)
            case .attachSharedMemory(let arguments): try attachSharedMemory(arguments, id, session)
            case .freeMemory(let arguments): try freeMemory(arguments, id, session)
            case .protectMemory(let arguments): try protectMemory(arguments, id, session)
            case .readMemory(let arguments): try readMemory(arguments, id, session)
            case .writeMemory(let arguments): try writeMemory(arguments, id, session)
            case .queryMemory(let arguments): try queryMemory(arguments, id, session)
            case .servePageRequests(let arguments): try servePageRequests(arguments, id, session)
            case .pageResponse(let arguments): try respondToPageRequest(arguments, id, session)
            case .queryPageRequests(let arguments): try queryPageRequests(arguments, id, session)
            case .invalidateIotlb(let arguments): try invalidateIOTLB(arguments, id, session)
            case .queryIommuFaults(let arguments): try queryIOMMUFaults(arguments, id, session)
            case .allocIoasid(let arguments): try allocateIOASID(arguments, id, session)
            case .freeIoasid(let arguments): try freeIOASID(arguments, id, session)
            case .bindProcess(let arguments): try bindProcess(arguments, id, session)
            case .unbindProcess(let arguments): try unbindProcess(arguments, id, session)
            case .bindGuestPasid(let arguments): try bindGuestPASID(arguments, id, session)
            case .unbindGuestPasid(let arguments): try unbindGuestPASID(arguments, id, session)
            case .queryIoasids(let arguments): try queryIOASIDs(arguments, id, session)
            case .queryIoasidSets: queryIOASIDSets(id, session)
            case .queryDevices(let arguments): try queryDevices(arguments, id, session)
            case .deviceCommand(let arguments): try deviceCommand(arguments, id, session)
            case .configureWq(let arguments): try configureWQ(arguments, id, session)
            case .clearSoftwareError(let arguments): try clearSoftwareError(arguments, id, session)
            case .xEngineHold(let arguments): try holdEngine(arguments, id, session)
            case .readRegister(let arguments): try readRegister(arguments, id, session)
            case .writeRegister(let arguments): try writeRegister(arguments, id, session)
            case .queryFunction(let arguments): try queryFunction(arguments, id, session)
            case .configureFunction(let arguments): try configureFunction(arguments, id, session)
            case .resetFunction(let arguments): try resetFunction(arguments, id, session)
            case .xDeviceHalt(let arguments): try haltDevice(arguments, id, session)
            case .readConfig(let arguments): try readConfiguration(arguments, id, session)
            case .writeConfig(let arguments): try writeConfiguration(arguments, id, session)
            case .queryFabric: queryFabric(id, session)
            case .requestInterrupt(let arguments): try requestInterrupt(arguments, id, session)
            case .releaseInterrupt(let arguments): try releaseInterrupt(arguments, id, session)
            case .attachInterrupt(let arguments): try attachInterrupt(arguments, id, session)
            case .detachInterrupt(let arguments): try detachInterrupt(arguments, id, session)
            case .setInterruptEventfd(let arguments): try setInterruptEventFD(arguments, id, session)
            case .queryIdxd: queryIdxd(id, session)
            case .readAttribute(let arguments): readAttribute(arguments, id, session)
            case .writeAttribute(let arguments): writeAttribute(arguments, id, session)
            case .openWq(let arguments): try openWQ(arguments, id, session)
            case .closeWq(let arguments): try closeWQ(arguments, id, session)
            case .unmapWq(let arguments): try unmapWQ(arguments, id, session)
            case .pollWq(let arguments): try pollWQ(arguments, id, session)
            case .writeWq(let arguments): try writeWQ(arguments, id, session)
            case .injectFault(let arguments): try injectFault(arguments, id, session)
            case .queryInjections: queryInjections(id, session)
            case .removeInjection(let arguments): try removeInjection(arguments, id, session)
            case .attachRing: try attachRing(id, session)
            case .detachRing: try detachRing(id, session)
            case .queryRings: queryRings(id, session)
            case .queryHistory(let arguments): try queryHistory(arguments, id, session)
            case .queryBindings(let arguments): try queryBindings(arguments, id, session)
            case .xHistoryHold(let arguments): holdHistory(arguments, id, session)
            }
        } catch {
            reply(error, to: session, id: id)
            // One guess a connection.
            if error.errorClass == .notAuthenticated { session.closesWhenFlushed = true }
        }
    }
}
