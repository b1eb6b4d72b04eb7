internal import DSA
internal import DSASpec
internal import FoundationEssentials
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

extension Server {
    /// ENQCMD, ENQCMDS or MOVDIR64B in the form that the hot scanner leaves to the general decoder.
    func submit(
        _ kind: EnqueueInstruction.Kind, _ arguments: WireSubmissionArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let destination = LinearAddress(rawValue: try address(arguments.destination, "destination"))
        let source: SubmissionSource
        switch arguments.operand {
        case .source(let text):
            source = .address(LinearAddress(rawValue: try address(text, "source")))
        case .descriptor(let bytes):
            guard bytes.count == Descriptor.byteCount else {
                throw WireError(
                    .invalidArgument, "has \(bytes.count) bytes; a descriptor has 64", path: "arguments.descriptor")
            }
            source = .bytes(unsafe bytes.withUnsafeBytes { unsafe Descriptor(loading: $0.baseAddress!) })
        case nil:
            throw WireError(.invalidArgument, "give a descriptor or a source", path: "arguments")
        }
        let fixups = machine.fixupCount(session.processor)
        let outcome = machine.submit(kind, destination: destination, source: source, on: session.processor)
        replySubmission(
            outcome, kind: kind, fixups: machine.fixupCount(session.processor) - fixups, to: session, id: id)
    }

    /// Answers a submission in full.
    func replySubmission(
        _ outcome: SubmissionOutcome, kind: EnqueueInstruction.Kind, fixups: UInt64, to session: Session, id: RequestID
    ) {
        guard kind != .movdir64b else {
            var result = WireMovdir64bReturn()
            switch outcome {
            case .retired, .skipped, .injected, .untranslated: break
            case .exception(let exception): result.exception = WireException(exception)
            case .unmappedGuestAddress(_, let exception): result.exception = WireException(exception)
            }
            reply(result, to: session, id: id)
            return
        }
        var result = WireSubmissionReturn()
        switch outcome {
        case .retired(let flags):
            result.zf = flags.contains(.zero)
            if flags.contains(.zero) { result.rflags = Self.rflags(flags) }
        case .exception(let exception):
            result.exception = WireException(exception)
        case .skipped(let exit, let guestPASID):
            let flags = StatusFlags.afterEnqueue(accepted: false)
            result.zf = true
            result.rflags = Self.rflags(flags)
            result.exit = WireVmExit(exit, .zfSetAndSkipped)
            result.exit.guestPasid = guestPASID.rawValue
        case .injected(let exit, let guestPASID, let exception):
            result.exception = WireException(exception)
            result.exit = WireVmExit(exit, .exceptionInjected)
            result.exit.guestPasid = guestPASID.rawValue
        case .untranslated:
            preconditionFailure("a hypervisor has a policy for each exit")
        case .unmappedGuestAddress(let exit, let exception):
            result.exception = WireException(exception)
            result.exit = WireVmExit(exit, .pageFaultInjected)
        }
        if fixups > 0 { result.gpFixups = UInt32(fixups) }
        reply(result, to: session, id: id)
    }

    /// RFLAGS with the status flags; bit 1 is always 1.
    private static func rflags(_ flags: StatusFlags) -> String { Hexadecimal.text(flags.rawValue | 2) }

    // MARK: Portals

    func mapPortal(_ arguments: WireMapPortalArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let space = session.space else { preconditionFailure("a processor has an address space") }
        try checkAlive(space)
        let device = try deviceIndex(arguments.device)
        guard arguments.wq < machine.devices[device].profile.workQueueCount else {
            throw WireError(
                .notFound,
                "\(arguments.device) has WQs 0 to \(machine.devices[device].profile.workQueueCount - 1)",
                path: "arguments.wq")
        }
        let limit: Portal.Limit = arguments.portal == .unlimited ? .unlimited : .limited
        if limit == .unlimited, !session.isAdmin {
            throw WireError(
                .permissionDenied, "the unlimited portal needs a connection of the admin socket",
                path: "arguments.portal")
        }
        guard space.portalCount < configuration.limits.portalsPerClient else {
            throw WireError(
                .limitExceeded,
                "\(space.portalCount) portal pages are mapped, as many as limits.portalsPerClient allows")
        }
        let table: Portal.InterruptTable
        if arguments.hasInterruptTable {
            table = arguments.interruptTable == .ims ? .ims : .msix
        } else {
            table = space.isVM ? .ims : .msix
        }
        let portal = Portal(workQueue: Int(arguments.wq), limit: limit, interruptTable: table)
        let wanted = arguments.hasAddress ? try address(arguments.address, "address") : nil
        do throws(MachineError) {
            let address = try machine.mapPortal(portal, ofDevice: device, at: wanted, in: space.index)
            space.portalCount += 1
            var result = WireMapPortalReturn()
            result.address = Hexadecimal.text(address)
            reply(result, to: session, id: id)
        } catch { throw WireError(error) }
    }

    func unmapPortal(_ arguments: WireUnmapPortalArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let space = session.space else { preconditionFailure("a processor has an address space") }
        let start = try address(arguments.address, "address")
        do throws(MachineError) {
            let mapping = try machine.mapping(containing: start, byteCount: pageByteCount, in: space.index)
            guard case .portal = mapping.content else {
                throw .address(.notMapped)
            }
            _ = try machine.unmap(startingAt: start, from: space.index)
        } catch {
            throw WireError(.notFound, "no portal page begins at \(arguments.address)", path: "arguments.address")
        }
        space.portalCount -= 1
        replyEmpty(to: session, id: id)
    }

    /// Whether new things may still be attached to a space.
    func checkAlive(_ space: ClientSpace) throws(WireError) {
        guard !space.isDying else { throw WireError(.wrongState, "\(space.name) is being destroyed") }
    }
}
