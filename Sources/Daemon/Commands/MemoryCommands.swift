internal import Foundation
internal import IOMMU
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages

extension Server {
    func allocateMemory(_ arguments: WireAllocMemoryArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        let wanted = arguments.hasAddress ? try address(arguments.address, "address") : nil
        try checkQuota(arguments.size, session)
        let mapping: MemoryMapping
        do {
            mapping = try MemoryMapping.anonymous(byteCount: Int(arguments.size))
        } catch {
            throw WireError(.resourceExhausted, "no memory for \(arguments.size) bytes: \(error)")
        }
        let start = try place(mapping, kind: .hosted, isReadOnly: false, at: wanted, in: space, session)
        var result = WireAllocMemoryReturn()
        result.address = Hexadecimal.text(start)
        reply(result, to: session, id: id)
    }

    func createSharedMemory(
        _ arguments: WireCreateSharedMemoryArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        let wanted = arguments.hasAddress ? try address(arguments.address, "address") : nil
        try checkLocal(session)
        try checkQuota(arguments.size, session)
        // One descriptor is on its way at a time, so that each reply carries its own.
        if session.attachment != nil { flush(session) }
        guard session.attachment == nil else {
            throw WireError(
                .limitExceeded, "a descriptor of an earlier reply has not been read yet; read the replies first")
        }
        let memory: SharedMemory
        let mapping: MemoryMapping
        do {
            memory = try SharedMemory.create(name: "swqd \(space.name)", byteCount: Int(arguments.size))
        } catch { throw WireError(.resourceExhausted, "no shared memory of \(arguments.size) bytes: \(error)") }
        do { mapping = try memory.map() } catch {
            throw WireError(.resourceExhausted, "shared memory cannot be mapped: \(error)")
        }
        let start = try place(mapping, kind: .shared, isReadOnly: false, at: wanted, in: space, session)
        do {
            session.attachment = OutgoingDescriptor(
                try memory.descriptor.duplicate(), bytesBefore: session.output.count)
        } catch {
            release(startingAt: start, in: space) {}
            throw WireError(.resourceExhausted, "the memfd cannot be passed: \(error)")
        }
        replyShared(start, arguments.size, id, session)
    }

    func attachSharedMemory(
        _ arguments: WireAttachSharedMemoryArguments, _ id: RequestID, _ session: Session
    ) throws(WireError) {
        // Whatever came with the request is used or closed: none may be taken for a later one.
        defer { session.inbox.removeAll() }
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        let wanted = arguments.hasAddress ? try address(arguments.address, "address") : nil
        try checkLocal(session)
        guard !session.inbox.tookExcess else {
            throw WireError(
                .invalidArgument, "more than one descriptor came with the request; pass exactly one (SCM_RIGHTS)")
        }
        guard let descriptor = session.inbox.takeFirst() else {
            throw WireError(.invalidArgument, "no descriptor came with the request; pass a memfd with it (SCM_RIGHTS)")
        }
        let room = configuration.limits.memoryPerClientBytes - Int(clamping: session.memory.byteCount)
        let memory: SharedMemory
        let mapping: MemoryMapping
        do {
            memory = try SharedMemory.adopt(descriptor, byteCountMax: max(room, 0))
        } catch {
            if case .tooLarge = error { throw WireError(.limitExceeded, "limits.memoryPerClientBytes: \(error)") }
            throw WireError(.invalidArgument, "\(error)")
        }
        do { mapping = try memory.map() } catch {
            throw WireError(.resourceExhausted, "the memfd cannot be mapped: \(error)")
        }
        let byteCount = UInt64(memory.byteCount)
        let start = try place(
            mapping, kind: .shared, isReadOnly: arguments.readOnly, at: wanted, in: space, session)
        replyShared(start, byteCount, id, session)
    }

    private func replyShared(_ start: UInt64, _ size: UInt64, _ id: RequestID, _ session: Session) {
        var result = WireSharedMemoryReturn()
        result.address = Hexadecimal.text(start)
        result.size = size
        reply(result, to: session, id: id)
    }

    func freeMemory(_ arguments: WireFreeMemoryArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        let start = try address(arguments.address, "address")
        guard space.regions[start] != nil else {
            throw WireError(.notFound, "no region begins at \(arguments.address)", path: "arguments.address")
        }
        session.isParked = true
        release(startingAt: start, in: space) { [self] in
            replyEmpty(to: session, id: id)
            unpark(session)
        }
    }

    func protectMemory(_ arguments: WireProtectMemoryArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        let start = try address(arguments.address, "address")
        let access: MemoryAccess =
            switch arguments.access {
            case .noAccess, .UNRECOGNIZED: .none
            case .readOnly: .readOnly
            case .readWrite: .readWrite
            }
        do throws(MachineError) {
            try machine.protect(start, byteCount: arguments.size, access: access, in: space.index)
            let whole = try machine.mapping(containing: start, byteCount: arguments.size, in: space.index)
            if let region = space.regions[whole.start], region.access != access {
                region.access = whole.byteCount == arguments.size ? access : nil
            }
        } catch { throw WireError(error) }
        afterWindowsReturn(answering: id, session)
    }

    func readMemory(_ arguments: WireReadMemoryArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        let start = try address(arguments.address, "address")
        let source = unsafe try memoryPointer(start, UInt64(arguments.size), space)
        var result = WireReadMemoryReturn()
        result.data = unsafe Data(bytes: source, count: Int(arguments.size))
        reply(result, to: session, id: id)
    }

    func writeMemory(_ arguments: WireWriteMemoryArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        let space = try memorySpace(arguments.hasVm ? arguments.vm : nil, session)
        let start = try address(arguments.address, "address")
        let target = unsafe try memoryPointer(start, UInt64(arguments.data.count), space)
        unsafe arguments.data.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(start: target, count: bytes.count).copyMemory(from: bytes)
        }
        replyEmpty(to: session, id: id)
        if !memoryWaiters.isEmpty { expireMemoryWaiters(MonotonicClock.nanoseconds()) }
    }

    private func memoryPointer(
        _ start: UInt64, _ byteCount: UInt64, _ space: ClientSpace
    ) throws(WireError) -> UnsafeMutableRawPointer {
        guard let pointer = unsafe pointer(to: start, byteCount: byteCount, in: space) else {
            throw WireError(
                .notFound, "\(byteCount) bytes from \(Hexadecimal.text(start)) are not in one region of \(space.name)",
                path: "arguments.address")
        }
        return unsafe pointer
    }

    func queryMemory(_ arguments: WireQueryMemoryArguments, _ id: RequestID, _ session: Session) throws(WireError) {
        var spaces: [ClientSpace]
        if arguments.hasVm {
            spaces = [try ownedSpace(vms[arguments.vm], "VM \(arguments.vm)", "vm", session)]
        } else {
            spaces = Array(processes.values) + Array(vms.values)
            spaces.removeAll { !session.isAdmin && $0.owner != session.identity }
            spaces.sort { ($0.isVM ? 1 : 0, $0.number) < ($1.isVM ? 1 : 0, $1.number) }
        }
        var result = WireQueryMemoryReturn()
        for space in spaces {
            for mapping in machine.mappings(of: space.index) {
                result.items.append(WireMemoryRegion(mapping, in: space))
            }
        }
        reply(result, to: session, id: id)
    }

    // MARK: Helpers

    /// The space whose memory a request concerns: the VM it names, or the one the connection is part of.
    func memorySpace(_ vm: UInt32?, _ session: Session) throws(WireError) -> ClientSpace {
        if let vm { return try ownedSpace(vms[vm], "VM \(vm)", "vm", session) }
        guard let space = session.space else {
            throw WireError(
                .wrongState, "the connection is no logical processor, so the memory's owner is not known; give vm",
                path: "arguments.vm")
        }
        try checkAlive(space)
        guard space.reached == nil else {
            throw WireError(
                .wrongState,
                "\(space.name) uses its program's own memory, which the program maps, reads and writes itself",
                path: "execute")
        }
        return space
    }

    /// Whether descriptors can travel to and from a connection.
    func checkLocal(_ session: Session, instead: String = "use alloc-memory on TCP") throws(WireError) {
        guard session.transport != .tcp else {
            throw WireError(.unsupported, "descriptors travel over Unix sockets only; \(instead)", path: "execute")
        }
    }

    private func checkQuota(_ byteCount: UInt64, _ session: Session) throws(WireError) {
        let limit = UInt64(configuration.limits.memoryPerClientBytes)
        guard byteCount % pageByteCount == 0 else {
            throw WireError(.invalidArgument, "is \(byteCount); give a multiple of 4096", path: "arguments.size")
        }
        guard byteCount <= limit, session.memory.byteCount <= limit - byteCount else {
            throw WireError(
                .limitExceeded,
                "\(session.memory.byteCount) of limits.memoryPerClientBytes = \(limit) bytes are used",
                path: "arguments.size")
        }
    }

    /// Lends a mapping to the machine and maps it into a space.
    private func place(
        _ mapping: consuming MemoryMapping, kind: MemoryRegion.Kind, isReadOnly: Bool, at wanted: UInt64?,
        in space: ClientSpace, _ session: Session
    ) throws(WireError) -> UInt64 {
        let byteCount = UInt64(mapping.byteCount)
        guard let region = unsafe machine.memory.addRegion(base: mapping.baseAddress, byteCount: byteCount) else {
            throw WireError(.resourceExhausted, "the machine has no room for another region of \(byteCount) bytes")
        }
        let start: UInt64
        do throws(MachineError) {
            start = try machine.mapMemory(
                region, byteCount: byteCount, isReadOnly: isReadOnly, at: wanted, in: space.index)
        } catch {
            machine.memory.removeRegion(at: region)
            throw WireError(error)
        }
        session.memory.byteCount += byteCount
        space.regions[start] = MemoryRegion(
            kind: kind, mapping: mapping, region: region, account: session.memory,
            access: isReadOnly ? .readOnly : .readWrite)
        return start
    }

    /// Takes a region out of a space, and gives its memory back once no window uses it.
    func release(startingAt start: UInt64, in space: ClientSpace, completion: @escaping () -> Void) {
        guard let region = space.regions.removeValue(forKey: start) else {
            preconditionFailure("only a region that exists is released")
        }
        do throws(MachineError) {
            _ = try machine.unmap(startingAt: start, from: space.index)
        } catch { preconditionFailure("a region is mapped where it was placed: \(error)") }
        afterWindowsReturn { [self] in
            machine.memory.removeRegion(at: region.region)
            region.account.byteCount -= region.byteCount
            completion()
        }
    }

    /// Answers a request once every window that is on a thread now has come back.
    func afterWindowsReturn(answering id: RequestID, _ session: Session) {
        session.isParked = true
        afterWindowsReturn { [self] in
            replyEmpty(to: session, id: id)
            unpark(session)
        }
    }

    /// Calls back once every window that is on a thread now has come back.
    func afterWindowsReturn(_ completion: @escaping () -> Void) {
        let token = makeToken()
        quiesceContinuations[token] = completion
        machine.whenWindowsReturn(token: token)
        deliverEffects()
    }
}
