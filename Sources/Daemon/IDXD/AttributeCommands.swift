internal import FoundationEssentials
internal import IDXD
internal import Machine
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    func queryIdxd(_ id: RequestID, _ session: Session) {
        var result = WireQueryIdxdReturn()
        result.root = deviceFiles.root
        reply(result, to: session, id: id)
    }

    func readAttribute(_ arguments: WireReadAttributeArguments, _ id: RequestID, _ session: Session) {
        var result = WireReadAttributeReturn()
        do throws(Errno) {
            let reference = try attribute(arguments.path, for: .read, session)
            result.data = Data(try driver.show(reference, machine))
            result.errno = 0
        } catch {
            result.errno = error.rawValue
        }
        reply(result, to: session, id: id)
    }

    func writeAttribute(_ arguments: WireWriteAttributeArguments, _ id: RequestID, _ session: Session) {
        let answer: (Progress) -> Void = { [self] progress in
            var result = WireWriteAttributeReturn()
            switch progress {
            case .finished(let count):
                result.errno = 0
                result.written = UInt32(count)
            case .failed(let error):
                result.errno = error.rawValue
            case .waits:
                preconditionFailure("a request that has ended does not wait")
            }
            reply(result, to: session, id: id)
        }
        let reference: AttributeReference
        do throws(Errno) {
            reference = try attribute(arguments.path, for: .write, session)
        } catch {
            answer(.failed(error))
            return
        }
        let bytes = [UInt8](arguments.data)
        guard let device = driver.device(concernedBy: reference, bytes: bytes) else {
            // No device: nothing to wait for.
            answer(driver.store(bytes, to: reference, machine: &machine))
            return
        }
        session.isParked = true
        withDriver(device: device) { driver, machine in
            driver.store(bytes, to: reference, machine: &machine)
        } completion: { [self] progress in
            answer(progress)
            unpark(session)
        }
        deliverEffects()
    }

    /// The attribute that a path leads to, if the client may open it so.
    private func attribute(
        _ path: String, for access: FilePermissions.Access, _ session: Session
    ) throws(Errno) -> AttributeReference {
        let entry = try deviceFiles.tree.entry(at: path)
        switch entry.kind {
        case .directory, .link: throw .eisdir
        case .node: throw .eacces
        case .attribute(let reference, _):
            guard deviceFiles.allow(access, entry.path, session) else { throw .eacces }
            return reference
        }
    }
}
