internal import DSASpec
internal import FoundationEssentials
internal import History
internal import IDXD
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    func openWQ(_ arguments: WireOpenWqArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let space = session.space else { preconditionFailure("the rule of open-wq requires a process") }
        try checkAlive(space)
        let answer: (Result<WorkQueueFile, Errno>) -> Void = { [self] outcome in
            var result = WireOpenWqReturn()
            switch outcome {
            case .success(let file):
                result.errno = 0
                result.file = UInt32(file.number)
                result.portal = Hexadecimal.text(file.portal)
            case .failure(let error):
                result.errno = error.rawValue
            }
            reply(result, to: session, id: id)
        }
        let node: WorkQueueID
        do throws(Errno) {
            node = try self.node(arguments.wq, session)
            guard space.portalCount < configuration.limits.portalsPerClient else { throw .emfile }
        } catch {
            answer(.failure(error))
            return
        }
        session.isParked = true
        open(node, in: space, session) { [self] outcome in
            answer(outcome)
            unpark(session)
        }
        deliverEffects()
    }

    /// The WQ whose node has this name, if the client may open it for reading and writing.
    private func node(_ name: String, _ session: Session) throws(Errno) -> WorkQueueID {
        guard !name.contains("/") else { throw .enoent }
        let entry = try deviceFiles.tree.entry(at: "dev/dsa/\(name)")
        guard case .node(let workQueue) = entry.kind else { throw .enoent }
        guard deviceFiles.allow(.read, entry.path, session), deviceFiles.allow(.write, entry.path, session) else {
            throw .eacces
        }
        return workQueue
    }

    func closeWQ(_ arguments: WireCloseWqArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let file = try file(arguments.file, session)
        guard file.phase == .open else {
            throw WireError(.wrongState, "file \(arguments.file) is closed; unmap-wq is left", path: "arguments.file")
        }
        guard !arguments.keepsPortal else {
            file.phase = .mapped
            replyEmpty(to: session, id: id)
            return
        }
        release(file, id, session)
    }

    func unmapWQ(_ arguments: WireUnmapWqArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let file = try file(arguments.file, session)
        guard file.phase == .mapped else {
            throw WireError(
                .wrongState, "file \(arguments.file) is open; use close-wq with keepsPortal first",
                path: "arguments.file")
        }
        release(file, id, session)
    }

    private func release(_ file: WorkQueueFile, _ id: RequestID, _ session: Session) {
        session.isParked = true
        release(file, cause: .request, actor: Actor(session)) { [self] in
            replyEmpty(to: session, id: id)
            unpark(session)
        }
        deliverEffects()
    }

    func pollWQ(_ arguments: WirePollWqArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let file = try openFile(arguments.file, session)
        var result = WirePollWqReturn()
        result.readable = driver.isReadable(device: file.workQueue.device)
        reply(result, to: session, id: id)
    }

    func writeWQ(_ arguments: WireWriteWqArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let file = try openFile(arguments.file, session)
        var result = WireWriteWqReturn()
        switch driver.write([UInt8](arguments.data), to: file.number, machine: &machine) {
        case .success(let count):
            result.errno = 0
            result.written = UInt32(count)
        case .failure(let error):
            result.errno = error.rawValue
        }
        deliverEffects()
        reply(result, to: session, id: id)
    }

    /// A file of the process that asks. Numbers of others' files are not told apart from numbers of none.
    private func file(_ number: UInt32, _ session: Session) throws(WireError) -> WorkQueueFile {
        guard let file = workQueueFiles[Int(number)], file.space === session.space, file.phase != .releasing else {
            throw WireError(.notFound, "this process has no file \(number)", path: "arguments.file")
        }
        return file
    }

    private func openFile(_ number: UInt32, _ session: Session) throws(WireError) -> WorkQueueFile {
        let file = try file(number, session)
        guard file.phase == .open else {
            throw WireError(.wrongState, "file \(number) is closed", path: "arguments.file")
        }
        return file
    }
}
