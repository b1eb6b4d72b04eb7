internal import DSA
internal import DSASpec
internal import History
internal import Machine
internal import PCIe
internal import Protocol
internal import ProtocolMessages
internal import Virtualization

// How the model's values look on the wire. Each direction is written once, here.

extension WireException {
    init(_ exception: ProcessorException) {
        self.init()
        switch exception {
        case .invalidOpcode(let cause):
            vector = "#UD"
            reason =
                switch cause {
                case .notEnumerated: "CPUID does not enumerate the instruction"
                case .lockPrefix: "the instruction has a LOCK prefix"
                case .untranslatedPASID: "the guest PASID does not translate (exit 73, policy C)"
                }
        case .generalProtection(let cause):
            vector = "#GP"
            errorCode = 0
            reason = Self.reason(cause)
        case .pageFault(let fault, let code):
            vector = "#PF"
            errorCode = code.rawValue
            address = Hexadecimal.text(fault.rawValue)
            reason = code.contains(.present) ? "the page does not permit the access" : "the page is not present"
        }
    }

    private static func reason(_ cause: GeneralProtectionCause) -> String {
        switch cause {
        case .privilegeLevel: "the instruction needs CPL 0"
        case .invalidPASIDRegister: "bit 31 of IA32_PASID is 0: no PASID is bound to the thread"
        case .sourceDwordNotZero: "bits 31:0 of the source of ENQCMD are not 0"
        case .sourceReservedBits: "bits 30:20 of the source of ENQCMDS are not 0"
        case .misalignedDestination: "the destination is no multiple of 64"
        case .nonCanonicalAddress: "the address is not canonical"
        case .reservedRegisterBits: "a reserved bit of the MSR would be set"
        case .unknownRegister: "the processor has no such MSR"
        case .misalignedArea: "the XSAVE area is no multiple of 64"
        case .malformedArea: "the header of the XSAVE area is not one that XRSTORS accepts"
        case .untranslatedPASID: "the guest PASID does not translate (exit 72, policy C)"
        }
    }
}

extension WireError {
    /// What a client is told when the host refuses.
    init(_ error: MachineError) {
        switch error {
        case .pasidTranslationOff:
            self.init(.wrongState, "the VM does not translate PASIDs, so that it gets no portal")
        case .unknownDevice:
            self.init(.notFound, "there is no such device", path: "arguments.device")
        case .address(let problem):
            self.init(problem)
        case .outOfFrames:
            self.init(.resourceExhausted, "no memory is left for page tables or PASID tables")
        case .ioasid(.noSpace):
            self.init(.limitExceeded, "the IOASID set is at its quota; free or unbind one first")
        case .ioasid(.accessDenied), .ioasid(.noEntry):
            self.init(.notFound, "there is no such IOASID in the set of this VM", path: "arguments.ioasid")
        case .ioasid(let problem):
            self.init(.wrongState, "the IOASID core refuses with \(problem.name)")
        case .guestPASIDInUse(let guestPASID):
            self.init(
                .wrongState, "guest PASID \(guestPASID.rawValue) is bound to another IOASID; unbind it first",
                path: "arguments.guestPasid")
        case .differentStage(let guestPASID):
            self.init(
                .wrongState,
                "guest PASID \(guestPASID.rawValue) is bound with another page table; its devices share one",
                path: "arguments.firstLevel")
        case .alreadyBound:
            self.init(.wrongState, "it is bound to this device already", path: "arguments.device")
        case .notBound:
            self.init(.notFound, "nothing is bound there")
        case .bindingInProgress:
            self.init(.wrongState, "a bind or unbind of it is under way; wait for its answer")
        case .ioasidInUse(let ioasid):
            self.init(.wrongState, "IOASID \(ioasid.rawValue) is bound; unbind it first", path: "arguments.ioasid")
        case .misalignedTable:
            self.init(.invalidArgument, "is no multiple of 4096", path: "arguments.firstLevel")
        case .noInterrupt:
            self.init(
                .resourceExhausted, "every entry of the device's interrupt table is in use; try the other table",
                path: "arguments.table")
        }
    }

    private init(_ problem: AddressMapError) {
        switch problem {
        case .notPageAligned:
            self.init(
                .invalidArgument, "address and size must be multiples of 4096, and the size not 0", path: "arguments")
        case .outOfRange:
            self.init(.invalidArgument, "the range leaves the address space", path: "arguments.address")
        case .occupied:
            self.init(.wrongState, "something is mapped in the range; free it first", path: "arguments.address")
        case .noSpace:
            self.init(.resourceExhausted, "no gap of the address space is large enough", path: "arguments.size")
        case .notMapped:
            self.init(.notFound, "the range is not inside one region", path: "arguments.address")
        case .notMemory:
            self.init(.wrongState, "the page is a portal, not memory", path: "arguments.address")
        case .readOnly:
            self.init(.wrongState, "the region was attached for reading only", path: "arguments.access")
        }
    }
}

extension WireMemoryRegion {
    init(_ mapping: AddressMapping, in space: ClientSpace) {
        self.init()
        address = Hexadecimal.text(mapping.start)
        size = mapping.byteCount
        switch mapping.content {
        case .portal:
            kind = .portalPage
            access = .readWrite
        case .memory:
            let region = space.regions[mapping.start]
            kind = region?.kind == .shared ? .shared : .hosted
            switch region?.access {
            case nil: break
            case .some(.none): access = .noAccess
            case .readOnly: access = .readOnly
            case .readWrite: access = .readWrite
            }
        }
        if space.isVM { vm = space.number } else { process = space.number }
    }
}

extension WireSoftwareError {
    init(_ error: SoftwareError) {
        self.init()
        code = UInt32(error.code.rawValue)
        name = error.code.meaning ?? "code \(Hexadecimal.text(error.code.rawValue))"
        overflow = error.overflow
        if let queue = error.workQueue { wq = UInt32(queue) }
        if error.isDescriptorValid {
            pasid = error.pasid.rawValue
            priv = error.isPrivileged
            operation = UInt32(error.opcode.rawValue)
        }
        if let index = error.batchIndex { batchIndex = UInt32(index) }
        if error.isFault {
            address = Hexadecimal.text(error.faultAddress.rawValue)
            write = error.faultWasWrite
        }
    }
}

extension WireWqStatus {
    init(_ queue: WorkQueue, index: Int) {
        self.init()
        self.index = UInt32(index)
        let configuration = queue.configuration
        mode = configuration.mode == .shared ? .shared : .dedicated
        size = UInt32(configuration.size)
        threshold = UInt32(configuration.threshold)
        priority = UInt32(configuration.priority)
        state = State(queue.state)
        occupancy = UInt32(queue.occupancy)
        blockOnFault = configuration.blockOnFaultEnable
        maxTransferShift = UInt32(configuration.maximumTransferShift)
        maxBatchShift = UInt32(configuration.maximumBatchShift)
        if configuration.mode == .dedicated, configuration.pasidEnable { pasid = configuration.pasid.rawValue }
        accepted = queue.counts.accepted
        retried = queue.counts.retried
        completed = queue.counts.completed
        abandoned = queue.counts.abandoned
    }
}

extension WireWqStatus.State {
    init(_ state: WorkQueueState) {
        switch state {
        case .disabled: self = .disabled
        case .enabled: self = .enabled
        case .disabling: self = .disabling
        }
    }
}

extension WireDeviceStatus.State {
    init(_ state: DeviceState) {
        switch state {
        case .disabled: self = .disabled
        case .enabled: self = .enabled
        case .disabling: self = .disabling
        case .halted: self = .halted
        }
    }
}

extension WireHistoryCause {
    init(_ cause: HistoryCause) {
        switch cause {
        case .request: self = .request
        case .clientDied: self = .clientDied
        case .vmTornDown: self = .vmDestroyed
        case .migration: self = .migration
        case .daemonRestart: self = .daemonRestart
        case .daemonStop, .daemonStart: self = .daemonStop
        }
    }
}

extension WireHistoryKind {
    init(_ kind: HistoryEventKind) {
        switch kind {
        case .alloc: self = .alloc
        case .bind: self = .bind
        case .unbind: self = .unbind
        case .free: self = .free
        case .bindDevice: self = .bindDevice
        case .unbindDevice: self = .unbindDevice
        }
    }
}

extension HistoryEventKind {
    init(_ kind: WireHistoryKind) {
        switch kind {
        case .alloc, .UNRECOGNIZED: self = .alloc
        case .bind: self = .bind
        case .unbind: self = .unbind
        case .free: self = .free
        case .bindDevice: self = .bindDevice
        case .unbindDevice: self = .unbindDevice
        }
    }
}

extension WireHistoryEvent {
    init(_ row: EventRow) {
        self.init()
        let subject = row.event.subject
        sequence = UInt64(row.sequence)
        time = UTCTime.text(nanoseconds: row.time.nanoseconds)
        kind = WireHistoryKind(row.event.kind)
        ioasid = subject.ioasid
        if let guestPASID = subject.guestPASID { guestPasid = guestPASID }
        set = UInt32(truncatingIfNeeded: subject.ioasidSet)
        if let machine = subject.vm { vm = UInt32(truncatingIfNeeded: machine) }
        if let requester = subject.deviceRID { rid = RequesterID(rawValue: requester).text }
        if let number = subject.process { process = UInt32(truncatingIfNeeded: number) }
        if let user = subject.uid { uid = user }
        if let number = subject.pid { pid = UInt32(bitPattern: number) }
        if let number = subject.connection { connection = UInt32(truncatingIfNeeded: number) }
        cause = WireHistoryCause(row.event.cause)
    }
}

extension WireBinding {
    init(_ row: BindingRow, certainty: Certainty) {
        self.init()
        let subject = row.subject
        ioasid = subject.ioasid
        if let guestPASID = subject.guestPASID { guestPasid = guestPASID }
        set = UInt32(truncatingIfNeeded: subject.ioasidSet)
        if let machine = subject.vm { vm = UInt32(truncatingIfNeeded: machine) }
        if let requester = subject.deviceRID { rid = RequesterID(rawValue: requester).text }
        if let number = subject.process { process = UInt32(truncatingIfNeeded: number) }
        if let user = subject.uid { uid = user }
        if let number = subject.pid { pid = UInt32(bitPattern: number) }
        if let number = subject.connection { connection = UInt32(truncatingIfNeeded: number) }
        boundSequence = UInt64(row.bound.sequence)
        boundTime = UTCTime.text(nanoseconds: row.bound.time.nanoseconds)
        if let unbound = row.unbound {
            unboundSequence = UInt64(unbound.sequence)
            unboundTime = UTCTime.text(nanoseconds: unbound.time.nanoseconds)
            unboundCause = WireHistoryCause(unbound.cause)
        }
        if let alive = row.lastAliveTime { lastAliveTime = UTCTime.text(nanoseconds: alive.nanoseconds) }
        self.certainty = certainty
    }
}
