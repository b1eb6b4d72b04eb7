internal import DSA
internal import DSASpec
public import Machine
public import PCIe

/// An open file of a device node (dsa-device 8.6): `fileK` in sysfs.
public struct OpenFile: Sendable {
    /// The WQ.
    public let workQueue: WorkQueueID
    /// The process that opened it.
    public let process: Int32?
    /// The PASID of that process on the device.
    public let pasid: HostPASID
    /// Which bind of the WQ the node belonged to.
    let generation: UInt32
    /// The driver has finished opening it.
    public internal(set) var isOpen = false
    /// Completion records that the kernel wrote again after a fault, and those that it could not write.
    public internal(set) var completionFaults = (handled: 0, failed: 0)
}

extension Driver {
    /// Begins to open the node of a WQ. What follows is the bind of the process, then
    /// ``attachFile(to:generation:pasid:process:machine:)`` or ``abandonOpen(of:generation:)``.
    ///
    /// - Throws: ENOENT without a node, EBUSY for a dedicated WQ that is open or being opened.
    public mutating func beginOpen(_ id: WorkQueueID) throws(Errno) {
        let queue = workQueue(id)
        guard queue.minor != nil else { throw .enoent }
        guard !queue.isDedicated || queue.clientCount + queue.openingCount == 0 else { throw .ebusy }
        withWorkQueue(id) { $0.openingCount += 1 }
    }

    /// The process could not be bound.
    ///
    /// - Parameter generation: ``generation(of:)`` at the beginning.
    public mutating func abandonOpen(of id: WorkQueueID, generation: UInt32) {
        guard workQueue(id).generation == generation else { return }
        withWorkQueue(id) { $0.openingCount -= 1 }
    }

    /// Which bind of the WQ is in force.
    public func generation(of id: WorkQueueID) -> UInt32 { workQueue(id).generation }

    /// Opens the file for a process that is bound: a dedicated WQ is disabled, gets the PASID and is enabled again.
    ///
    /// - Parameter generation: ``generation(of:)`` at the beginning.
    /// - Returns: The file's number when finished; ENXIO when the WQ was unbound meanwhile or does not come up again.
    public mutating func attachFile(
        to id: WorkQueueID, generation: UInt32, pasid: HostPASID, process: Int32?, machine: inout Machine
    ) -> Progress {
        guard workQueue(id).generation == generation else { return .failed(.enxio) }
        let file = files.firstIndex { $0 == nil } ?? files.count
        if file == files.count { files.append(nil) }
        files[file] = OpenFile(workQueue: id, process: process, pasid: pasid, generation: generation)
        var steps: [Job.Step] = []
        if workQueue(id).isDedicated {
            steps = [
                .command(.disableWorkQueues(1 << UInt64(id.queue)), failure: .enxio),
                .change(.pasid(id.queue, pasid)),
                .command(.enableWorkQueue(id.queue), failure: .enxio),
            ]
        }
        steps.append(.change(.fileOpened(file)))
        return run(
            Job(steps, undo: [.change(.fileAbandoned(file))], result: file), device: id.device, machine: &machine)
    }

    /// Closes a file that is open: its descriptors are drained; a dedicated WQ loses its PASID. The process is unbound
    /// after that.
    public mutating func closeFile(_ file: Int, machine: inout Machine) -> Progress {
        guard let closing = self.file(file) else { preconditionFailure("only an open file is closed") }
        let id = closing.workQueue
        var steps: [Job.Step] = []
        if workQueue(id).generation == closing.generation {
            steps =
                workQueue(id).isDedicated
                ? [
                    .command(.disableWorkQueues(1 << UInt64(id.queue)), failure: nil), .change(.pasid(id.queue, nil)),
                    .command(.enableWorkQueue(id.queue), failure: nil),
                ] : [.command(.drainPASID(closing.pasid), failure: nil)]
        }
        steps.append(.change(.fileClosed(file)))
        return run(Job(steps, result: 0), device: id.device, machine: &machine)
    }

    /// The file of a number.
    public func file(_ number: Int) -> OpenFile? { files.indices.contains(number) ? files[number] : nil }

    /// The numbers of the files of a WQ that are open.
    public func openFiles(of id: WorkQueueID) -> [Int] {
        files.indices.filter { number in
            files[number].map { $0.workQueue == id && $0.isOpen && $0.generation == generation(of: id) } ?? false
        }
    }

    mutating func completeOpen(_ number: Int) {
        guard let file = file(number) else { preconditionFailure("a file that is being opened exists") }
        files[number]?.isOpen = true
        withWorkQueue(file.workQueue) {
            $0.openingCount -= 1
            $0.clientCount += 1
        }
    }

    mutating func completeClose(_ number: Int) {
        guard let file = file(number) else { preconditionFailure("a file that is being closed exists") }
        if workQueue(file.workQueue).generation == file.generation {
            withWorkQueue(file.workQueue) { $0.clientCount -= 1 }
        }
        files[number] = nil
    }

    mutating func abandonOpen(_ number: Int) {
        guard let file = file(number) else { preconditionFailure("a file that is being opened exists") }
        abandonOpen(of: file.workQueue, generation: file.generation)
        files[number] = nil
    }

    // MARK: poll and write

    /// Whether poll reports a file of a device readable: an error was captured.
    public func isReadable(device: Int) -> Bool { devices[device].softwareError.isValid }

    /// Submits the descriptors of a `write` to an open file, 64 bytes each.
    ///
    /// - Returns: The bytes of the accepted ones, or why the first was not.
    public mutating func write(_ bytes: [UInt8], to number: Int, machine: inout Machine) -> Result<Int, Errno> {
        guard let file = file(number), file.isOpen else { return .failure(.ebadf) }
        var accepted = 0
        while accepted + Descriptor.byteCount <= bytes.count {
            let descriptor = unsafe bytes[accepted..<accepted + Descriptor.byteCount].withUnsafeBytes { bytes in
                // A slice of 64 bytes has a base address.
                unsafe Descriptor(loading: bytes.baseAddress!)
            }
            if let error = submit(descriptor, through: file, machine: &machine) {
                return accepted > 0 ? .success(accepted) : .failure(error)
            }
            accepted += Descriptor.byteCount
        }
        return .success(accepted)
    }

    private func submit(_ descriptor: Descriptor, through file: OpenFile, machine: inout Machine) -> Errno? {
        let id = file.workQueue
        let profile = devices[id.device].profile
        // Parts of version 1 are not safe from batches of users.
        guard profile.version > 0x100 || descriptor.opcode != .batch else { return .einval }
        guard descriptor.completionRecordAddress.rawValue % 32 == 0 else { return .einval }
        let portal = Portal(workQueue: id.queue, limit: .limited, interruptTable: .msix)
        guard !workQueue(id).isDedicated else {
            machine.postAsKernel(descriptor, to: portal, ofDevice: id.device)
            return nil
        }
        var attempts = workQueue(id).retries + 1
        while attempts > 0 {
            attempts -= 1
            let completion = machine.enqueueAsKernel(
                descriptor, pasid: file.pasid, isPrivileged: false, to: portal, ofDevice: id.device)
            if completion == .successfulCompletion { return nil }
            // The processor pauses, and the device goes on.
            _ = machine.step(runsInline: false)
        }
        return .eagain
    }
}
