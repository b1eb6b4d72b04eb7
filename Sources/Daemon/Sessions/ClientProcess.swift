internal import Glibc
internal import Logging
internal import Platform
internal import Protocol

/// The process behind a local connection that became a processor or owns a VM. What the connection holds ends with
/// the process, and with its program where the kernel lets the daemon see that, although another process, or the next
/// program, may still have the socket.
final class ClientProcess: Sendable {
    /// How it ended.
    enum End: CustomStringConvertible {
        case exit
        case exec

        var description: String {
            switch self {
            case .exit: "has exited"
            case .exec: "has executed another program"
            }
        }
    }

    let session: Session.ID
    /// Readable once it has exited.
    let handle: ProcessHandle
    /// `nil` where the daemon may not look: another user's process.
    let image: ProcessImage?

    init(of session: Session.ID, handle: consuming ProcessHandle, image: ProcessImage?) {
        self.session = session
        self.handle = handle
        self.image = image
    }
}

extension Server {
    /// Holds the process that made a local connection, before the connection gets what must not outlive it.
    func holdProcess(of session: Session) throws(WireError) {
        guard session.process == nil, let credentials = session.credentials else { return }
        let process: ClientProcess
        do throws(SystemError) {
            let handle = try session.socket.peerProcess()
            var image: ProcessImage?
            if let number = credentials.process { image = try Self.image(of: number) }
            process = ClientProcess(of: session.id, handle: handle, image: image)
        } catch {
            switch error.code {
            case EMFILE, ENFILE, ENOMEM:
                throw WireError(.resourceExhausted, "the daemon has no file descriptor left; try again later")
            default:
                // A kernel without SO_PEERPIDFD cannot name a process outside the daemon's PID namespace.
                guard credentials.process != nil else { return }
                throw Self.endedClient(.exit)
            }
        }
        // The number was this process's when its image was opened if it is so still.
        guard !process.handle.hasExited else { throw Self.endedClient(.exit) }
        do {
            try poller.add(
                process.handle.descriptor, events: .readable,
                token: Source.process | Self.token(session, slot: session.slot))
        } catch {
            throw WireError(.resourceExhausted, "the process of this connection cannot be watched: \(error)")
        }
        session.process = process
    }

    private static func image(of process: ProcessID) throws(SystemError) -> ProcessImage? {
        do throws(SystemError) {
            return try ProcessImage(process)
        } catch {
            switch error.code {
            case EMFILE, ENFILE, ENOMEM: throw error
            default: return nil
            }
        }
    }

    /// The process of a connection has ended: so does the connection, whoever has its socket now.
    func endClient(of session: Session, _ end: ClientProcess.End) {
        log.info("the process of a connection \(end)", metadata: ["connection": "\(session.id)"])
        reply(Self.endedClient(end), to: session, id: .none)
        flush(session)
        close(session)
    }

    private static func endedClient(_ end: ClientProcess.End) -> WireError {
        WireError(
            .wrongState,
            "the process that made this connection \(end), and with it ends what the connection held; connect again")
    }

    /// Has the programs of all connections looked at, unless that is still under way.
    func lookForEndedPrograms() {
        let processes = sessions.values.compactMap { session in
            session.process.flatMap { $0.image == nil ? nil : $0 }
        }
        programWatch.look(at: processes)
    }
}
