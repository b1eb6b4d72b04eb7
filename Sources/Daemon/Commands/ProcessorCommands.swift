internal import History
internal import IOMMU
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

extension Server {
    // MARK: Becoming a processor

    func attachProcess(_ arguments: WireAttachProcessArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        try holdProcess(of: session)
        let space: ClientSpace
        let wantsOwnMemory = arguments.hasMemory && arguments.memory == .process
        if arguments.hasProcess {
            guard !arguments.hasMemory else {
                throw WireError(
                    .invalidArgument, "a process that exists has its memory; leave memory or process out",
                    path: "arguments.memory")
            }
            space = try ownedSpace(processes[arguments.process], "process \(arguments.process)", "process", session)
        } else {
            guard processes.count < configuration.limits.processes else {
                throw WireError(
                    .limitExceeded, "\(processes.count) processes exist, as many as limits.processes allows")
            }
            guard !wantsOwnMemory else { return try attachOwnMemory(id, session) }
            space = try makeProcess(for: session)
        }
        attach(session, to: space, id)
    }

    /// Makes the connection a thread of a process, and answers so.
    func attach(_ session: Session, to space: ClientSpace, _ id: RequestID) {
        guard case .process(let index) = space.index else { preconditionFailure("a process space is a process") }
        let processor = machine.addThread(toProcess: index)
        let number = machine.processorStatus(processor).thread
        session.role = .thread(space, processor: processor, number: number)
        session.processor = processor
        var result = WireAttachProcessReturn()
        result.process = space.number
        result.thread = number
        reply(result, to: session, id: id)
    }

    func makeProcess(for session: Session, hasForeignMemory: Bool = false) throws(WireError) -> ClientSpace {
        do throws(MachineError) {
            let made = try machine.makeProcess(hasForeignMemory: hasForeignMemory)
            let space = ClientSpace(
                index: .process(made.index), number: made.id.rawValue, owner: session.identity, creator: session.id,
                name: "process \(made.id.rawValue)")
            processes[space.number] = space
            return space
        } catch { throw WireError(error) }
    }

    func detach(_ id: RequestID, _ session: Session) {
        session.isParked = true
        releaseProcessor(of: session, cause: .request) { [self] in
            replyEmpty(to: session, id: id)
            unpark(session)
        }
    }

    func createVM(_ arguments: WireCreateVmArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        try holdProcess(of: session)
        guard vms.count < configuration.limits.vms else {
            throw WireError(.limitExceeded, "\(vms.count) VMs exist, as many as limits.vms allows")
        }
        let quota = arguments.hasPasidQuota ? arguments.pasidQuota : UInt32(configuration.limits.vmPASIDQuota)
        var settings = VMSettings()
        settings.exitPolicy = arguments.exitPolicy == .strict ? .strict : .eager
        settings.interceptsPASIDRegister = arguments.interceptPasidMsr
        let made: (index: Int, id: VMID)
        do throws(MachineError) {
            made = try machine.makeVM(quota: quota, settings: settings)
        } catch {
            if case .ioasid(.noSpace) = error {
                throw WireError(
                    .resourceExhausted,
                    "\(machine.ioasids.available) IOASIDs are not promised to a set; a quota of \(quota) does not fit",
                    path: "arguments.pasidQuota")
            }
            throw WireError(error)
        }
        let name = arguments.hasName ? arguments.name : "vm\(made.id.rawValue)"
        let space = ClientSpace(
            index: .virtualMachine(made.index), number: made.id.rawValue, owner: session.identity,
            creator: session.id, name: name)
        vms[space.number] = space
        var result = WireCreateVmReturn()
        result.vm = space.number
        reply(result, to: session, id: id)
        var event = WireVmEvent()
        event.vm = space.number
        event.name = name
        announce(.vmCreated(event), about: space.owner)
    }

    func destroyVM(_ arguments: WireDestroyVmArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try ownedSpace(vms[arguments.vm], "VM \(arguments.vm)", "vm", session)
        session.isParked = true
        tearDown(space, cause: .vmTornDown) { [self] in
            replyEmpty(to: session, id: id)
            unpark(session)
        }
    }

    func attachVCPU(_ arguments: WireAttachVcpuArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try ownedSpace(vms[arguments.vm], "VM \(arguments.vm)", "vm", session)
        try holdProcess(of: session)
        guard let vm = space.vmIndex else { preconditionFailure("a VM's space is a VM") }
        let processor = machine.addVCPU(toVM: vm)
        guard case .nonRoot(_, let vcpu) = machine.processorStatus(processor).core.mode else {
            preconditionFailure("a vCPU runs in non-root mode")
        }
        session.role = .vcpu(space, processor: processor, number: vcpu.rawValue)
        session.processor = processor
        var result = WireAttachVcpuReturn()
        result.vcpu = vcpu.rawValue
        reply(result, to: session, id: id)
    }

    /// The space that a request names, if it exists, belongs to the client and is not on its way out. The first two are
    /// not told apart.
    func ownedSpace(
        _ space: ClientSpace?, _ what: String, _ member: String, _ session: Session
    ) throws(WireError) -> ClientSpace {
        guard let space, session.isAdmin || space.owner == session.identity else {
            throw WireError(.notFound, "there is no \(what) of this client", path: "arguments.\(member)")
        }
        guard !space.isDying else {
            throw WireError(.wrongState, "\(what) is being destroyed", path: "arguments.\(member)")
        }
        return space
    }

    // MARK: Registers

    func queryProcessor(_ id: RequestID, _ session: Session) {
        let status = machine.processorStatus(session.processor)
        var result = WireQueryProcessorReturn()
        result.cpl = UInt32(status.core.privilegeLevel.rawValue)
        result.ia32Pasid = Hexadecimal.text(status.core.ia32PASID.rawValue)
        result.pasidValid = status.core.ia32PASID.isValid
        switch session.role {
        case .observer:
            break
        case .thread(let space, _, let number):
            result.mode = .native
            result.process = space.number
            result.thread = number
        case .vcpu(let space, _, let number):
            result.mode = .nonRoot
            result.vm = space.number
            result.vcpu = number
            if status.core.hasPageTables {
                result.cr3 = Hexadecimal.text(status.core.pageTableRoot.rawValue)
                result.levels = UInt32(status.core.pagingLevels.rawValue)
            }
        }
        result.exits72 = status.core.counters.exits[.enqcmd]
        result.exits73 = status.core.counters.exits[.enqcmds]
        result.gpFixups = UInt32(truncatingIfNeeded: status.core.counters.generalProtectionFixups)
        reply(result, to: session, id: id)
    }

    func readMSR(_ arguments: WireReadMsrArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let msr = try address(arguments.msr, "msr")
        var result = WireReadMsrReturn()
        let answer = machine.readModelSpecificRegister(UInt32(truncatingIfNeeded: msr), on: session.processor)
        var handling = WireVmExit.Handling.emulated
        switch answer.read {
        case .value(let value):
            result.value = Hexadecimal.text(value)
        case .exception(let exception):
            result.exception = WireException(exception)
            handling = .exceptionInjected
        }
        if let exit = answer.exit { result.exit = WireVmExit(exit, handling) }
        reply(result, to: session, id: id)
    }

    func writeMSR(_ arguments: WireWriteMsrArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let msr = try address(arguments.msr, "msr")
        let value = try address(arguments.value, "value")
        var result = WireWriteMsrReturn()
        let outcome = machine.writeModelSpecificRegister(
            UInt32(truncatingIfNeeded: msr), value: value, on: session.processor)
        if let exception = outcome.exception { result.exception = WireException(exception) }
        if let exit = WireVmExit(outcome) { result.exit = exit }
        reply(result, to: session, id: id)
    }

    func writeCR3(_ arguments: WireWriteCr3Arguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let root = try address(arguments.value, "value")
        guard root % pageByteCount == 0 else {
            throw WireError(
                .invalidArgument, "\(arguments.value) is no multiple of 4096", path: "arguments.value")
        }
        machine.setPageTables(
            (GuestPhysicalAddress(rawValue: root), arguments.levels == 5 ? .five : .four), on: session.processor)
        replyEmpty(to: session, id: id)
    }

    func setCPL(_ arguments: WireSetCplArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        guard let level = PrivilegeLevel(rawValue: UInt8(arguments.cpl)) else {
            throw WireError(.invalidArgument, "\(arguments.cpl) is no privilege level", path: "arguments.cpl")
        }
        if case .thread = session.role, level == .supervisor, !session.isAdmin {
            throw WireError(
                .permissionDenied, "CPL 0 in native mode needs a connection of the admin socket", path: "arguments.cpl")
        }
        machine.setPrivilegeLevel(level, on: session.processor)
        replyEmpty(to: session, id: id)
    }

    /// The number that a hexadecimal member stands for. The walker has checked its form.
    func address(_ text: String, _ member: String) throws(WireError) -> UInt64 {
        guard let value = Hexadecimal.value(text) else {
            throw WireError(
                .invalidArgument, "is \(JSONValue.quoted(text)); write 0x and hexadecimal digits",
                path: "arguments.\(member)")
        }
        return value
    }
}
