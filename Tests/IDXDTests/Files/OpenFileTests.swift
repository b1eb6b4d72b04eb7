import DSA
import DSASpec
import IDXD
import Machine
import PCIe
import Testing

@Suite struct `Files of a device node` {
    private let host: Host
    private let shared = WorkQueueID(device: 0, queue: 0)
    private let dedicated = WorkQueueID(device: 0, queue: 1)

    init() throws { host = try Host.bound() }

    private static func pasid(_ number: UInt32) -> HostPASID { HostPASID(truncating: number) }

    private func open(_ id: WorkQueueID, pasid: UInt32 = 7) throws -> Int {
        try host.driver.beginOpen(id)
        let progress = host.driver.attachFile(
            to: id, generation: host.driver.generation(of: id), pasid: Self.pasid(pasid), process: 4711,
            machine: &host.machine)
        guard case .finished(let file) = progress else { throw Errno.enxio }
        return file
    }

    private func close(_ file: Int) { #expect(host.driver.closeFile(file, machine: &host.machine) == .finished(0)) }

    private func hold(_ isHeld: Bool) {
        for engine in 0..<4 { host.machine.setHold(isHeld, engine: engine, device: 0) }
    }

    private func configuration(_ queue: Int) -> WorkQueueConfiguration {
        host.machine.devices[0].workQueues[queue].configuration
    }

    @Test func `A node exists while its WQ is bound to user, and without one open is ENOENT`() throws {
        #expect(throws: Errno.enoent) { try host.driver.beginOpen(WorkQueueID(device: 0, queue: 2)) }
        host.require("wq0.0", in: "user/unbind")
        #expect(throws: Errno.enoent) { try host.driver.beginOpen(shared) }
    }

    @Test func `A shared WQ is opened any number of times and its WQCFG has no PASID`() throws {
        let files = try (0..<5).map { try open(shared, pasid: UInt32($0)) }
        #expect(files == [0, 1, 2, 3, 4])
        host.expect("wq0.0/clients", "5")
        host.expect("dsa0/clients", "5")
        #expect(configuration(0).pasid.rawValue == 0)
        for file in files { close(file) }
        host.expect("wq0.0/clients", "0")
    }

    @Test func `A dedicated WQ with an open client is EBUSY, and one that is being opened too`() throws {
        try host.driver.beginOpen(dedicated)
        #expect(throws: Errno.ebusy) { try host.driver.beginOpen(dedicated) }
        host.driver.abandonOpen(of: dedicated, generation: host.driver.generation(of: dedicated))
        let file = try open(dedicated)
        #expect(throws: Errno.ebusy) { try host.driver.beginOpen(dedicated) }
        close(file)
        close(try open(dedicated))
    }

    @Test func `An open writes the PASID into WQCFG of a dedicated WQ, a close clears it, and it is enabled again`()
        throws
    {
        #expect(!configuration(1).pasidEnable)
        let file = try open(dedicated, pasid: 9)
        #expect(configuration(1).pasidEnable && configuration(1).pasid == Self.pasid(9))
        host.expect("wq0.1/state", "enabled")
        close(file)
        #expect(!configuration(1).pasidEnable)
        host.expect("wq0.1/state", "enabled")
    }

    @Test func `Each file has a child of its number with pid and fault counts while it is open`() throws {
        let file = try open(shared)
        let path = "wq0.0/dsa!wq0.0/file\(file)"
        host.expect("\(path)/pid", "4711")
        host.expect("\(path)/cr_faults", "0")
        host.expect("\(path)/cr_fault_failures", "0")
        #expect(try DeviceTree(host.driver.entries()).entry(at: "sys/bus/dsa/devices/file\(file)").path.hasSuffix(path))
        close(file)
        #expect(host.read("\(path)/pid") == .errno(.enoent))
        #expect(try open(shared) == file)
    }

    @Test func `A close of a shared WQ's file drains the PASID, and that of others not`() throws {
        let file = try open(shared, pasid: 7)
        let other = try open(shared, pasid: 8)
        hold(true)
        var descriptor = Descriptor()
        descriptor.word0 = 0
        let portal = Portal(workQueue: 0, limit: .limited, interruptTable: .msix)
        _ = host.machine.enqueueAsKernel(
            descriptor, pasid: Self.pasid(7), isPrivileged: false, to: portal, ofDevice: 0)
        close(other)
        #expect(host.driver.closeFile(file, machine: &host.machine) == .waits)
        hold(false)
        while host.machine.step() {}
        #expect(host.resume() == .finished(0))
        host.expect("wq0.0/clients", "0")
    }

    @Test func `A close of a dedicated WQ's file waits for its descriptors`() throws {
        let file = try open(dedicated)
        hold(true)
        let portal = Portal(workQueue: 1, limit: .limited, interruptTable: .msix)
        host.machine.postAsKernel(Descriptor(), to: portal, ofDevice: 0)
        #expect(host.driver.closeFile(file, machine: &host.machine) == .waits)
        host.expect("wq0.1/clients", "1")
        #expect(throws: Errno.ebusy) { try host.driver.beginOpen(dedicated) }
        hold(false)
        while host.machine.step() {}
        #expect(host.resume() == .finished(0))
        host.expect("wq0.1/state", "enabled")
        host.expect("wq0.1/clients", "0")
    }

    @Test func `A file outlives the unbind of its WQ, and its close then leaves the new bind alone`() throws {
        let file = try open(dedicated)
        host.require("wq0.1", in: "user/unbind")
        host.expect("wq0.1/clients", "0")
        for (text, name) in [("dedicated", "mode"), ("1", "priority"), ("user", "type"), ("x", "name")] {
            host.require(text, in: "wq0.1/\(name)")
        }
        host.require("wq0.1", in: "user/bind")
        let second = try open(dedicated, pasid: 12)
        close(file)
        #expect(configuration(1).pasid == Self.pasid(12))
        host.expect("wq0.1/clients", "1")
        close(second)
    }

    @Test func `An open whose WQ is unbound meanwhile is ENXIO`() throws {
        try host.driver.beginOpen(shared)
        let generation = host.driver.generation(of: shared)
        host.require("wq0.0", in: "user/unbind")
        let progress = host.driver.attachFile(
            to: shared, generation: generation, pasid: Self.pasid(7), process: nil, machine: &host.machine)
        #expect(progress == .failed(.enxio))
    }

    @Test func `An open whose WQ does not come up again is ENXIO, and leaves nothing open`() throws {
        host.require("wq0.1", in: "user/unbind")
        for (text, name) in [("dedicated", "mode"), ("1", "priority"), ("user", "type"), ("x", "name")] {
            host.require(text, in: "wq0.1/\(name)")
        }
        host.require("wq0.1", in: "user/bind")
        _ = host.machine.execute(.disableWorkQueues(2), device: 0)
        var broken = configuration(1)
        broken.priority = 0
        #expect(host.machine.configure(workQueue: 1, as: broken, device: 0) == true)
        #expect(throws: Errno.enxio) { try open(dedicated) }
        host.expect("wq0.1/clients", "0")
        host.expect("dsa0/cmd_status", "0x23")
        #expect(host.driver.openFiles(of: dedicated).isEmpty)
    }

    // MARK: poll and write

    @Test func `poll reports a file readable once a software error was captured`() throws {
        #expect(!host.driver.isReadable(device: 0))
        host.driver.capture(SoftwareError(code: .postedToFullQueue), device: 0)
        #expect(host.driver.isReadable(device: 0))
    }

    private func bytes(_ descriptors: [Descriptor], rest: Int = 0) -> [UInt8] {
        descriptors.flatMap { descriptor in
            (0..<64).map { UInt8(truncatingIfNeeded: descriptor[word: $0 / 8] >> ($0 % 8 * 8)) }
        } + [UInt8](repeating: 0xFF, count: rest)
    }

    private func descriptor(_ opcode: Opcode = .noOp, record: UInt64 = 0) -> Descriptor {
        var descriptor = Descriptor()
        descriptor.word0 = UInt64(opcode.rawValue) << 56
        descriptor.word1 = record
        return descriptor
    }

    private func write(_ descriptors: [Descriptor], rest: Int = 0, to file: Int) -> Answer {
        switch host.driver.write(bytes(descriptors, rest: rest), to: file, machine: &host.machine) {
        case .success(let count): .text("\(count)")
        case .failure(let error): .errno(error)
        }
    }

    @Test func `write submits the whole descriptors of the buffer and returns their bytes`() throws {
        let file = try open(shared)
        hold(true)
        #expect(write([], to: file) == .text("0"))
        #expect(write([], rest: 63, to: file) == .text("0"))
        #expect(write([descriptor(), descriptor()], rest: 63, to: file) == .text("128"))
        #expect(host.machine.devices[0].workQueues[0].occupancy == 2)
    }

    @Test func `write puts the file's PASID in, at Priv 0, whatever the descriptor says`() throws {
        let file = try open(shared, pasid: 7)
        hold(true)
        var claiming = descriptor()
        claiming.word0 |= 1 << 31 | 99
        #expect(write([claiming], to: file) == .text("64"))
        let found = host.machine.devices[0].workQueues[0].contains {
            $0.descriptor.pasid == Self.pasid(7) && !$0.descriptor.isPrivileged
        }
        #expect(found)
    }

    @Test func `write to a dedicated WQ posts, and nobody is told of what is lost`() throws {
        let file = try open(dedicated)
        hold(true)
        #expect(write((0..<17).map { _ in descriptor() }, to: file) == .text("1088"))
        #expect(host.machine.devices[0].workQueues[1].occupancy == 16)
        #expect(host.machine.devices[0].softwareError.code == .postedToFullQueue)
    }

    @Test func `A Batch on a part of version 1 is EINVAL, and behind another descriptor a short count`() throws {
        let file = try open(shared)
        #expect(write([descriptor(.batch)], to: file) == .errno(.einval))
        #expect(write([descriptor(), descriptor(.batch), descriptor()], to: file) == .text("64"))
        let later = try Host.bound(.dsa2)
        try later.driver.beginOpen(shared)
        let progress = later.driver.attachFile(
            to: shared, generation: later.driver.generation(of: shared), pasid: Self.pasid(7), process: nil,
            machine: &later.machine)
        #expect(progress == .finished(0))
        let result = later.driver.write(bytes([descriptor(.batch)]), to: 0, machine: &later.machine)
        #expect(result == .success(64))
    }

    @Test func `A record address that is no multiple of 32 is EINVAL, whatever CRAV says`() throws {
        let file = try open(shared)
        #expect(write([descriptor(record: 16)], to: file) == .errno(.einval))
        #expect(write([descriptor(record: 32)], to: file) == .text("64"))
    }

    @Test func `write tries a full WQ again as often as enqcmds_retries says, then it is EAGAIN`() throws {
        let file = try open(shared)
        hold(true)
        host.require("3", in: "wq0.0/enqcmds_retries")
        #expect(write((0..<17).map { _ in descriptor() }, to: file) == .text("1024"))
        let before = host.machine.devices[0].workQueues[0].counts.retried
        #expect(write([descriptor()], to: file) == .errno(.eagain))
        #expect(host.machine.devices[0].workQueues[0].counts.retried == before + 4)
    }

    @Test func `write to what is not open is EBADF`() throws {
        #expect(write([descriptor()], to: 0) == .errno(.ebadf))
        let file = try open(shared)
        close(file)
        #expect(write([descriptor()], to: file) == .errno(.ebadf))
    }
}
