import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

/// A process with a thread, or a VM with a vCPU.
///
/// Its memory begins at linear address ``base``, page 0 for records, and its portals lie at ``portal(_:)``. A guest has
/// page tables of its own in the last four pages, which make linear addresses of them.
struct Client {
    static let base: UInt64 = 0x40_0000
    static let portalGPA: UInt64 = 0x1000_0000

    let space: AddressSpaceIndex
    let processor: Int
    let ram: RAM

    var process: Int {
        guard case .process(let index) = space else { preconditionFailure("not a process") }
        return index
    }

    var vm: Int {
        guard case .virtualMachine(let index) = space else { preconditionFailure("not a VM") }
        return index
    }

    /// Where a guest's own page tables begin: GPA of the root, one table per page.
    var guestTables: GuestPhysicalAddress { GuestPhysicalAddress(rawValue: UInt64(ram.pageCount - 4) * 4096) }

    /// The linear address `offset` bytes into the memory.
    func address(_ offset: UInt64) -> LinearAddress { LinearAddress(rawValue: Self.base + offset) }

    /// The linear address of page `page` of the memory.
    func page(_ page: Int) -> UInt64 { Self.base + UInt64(page) * 4096 }
}

/// A portal that every client has mapped.
enum PortalPage {
    case shared(Int = 0)
    case dedicated(Int = 0)
    case unlimited(Int = 0)

    /// The place of its page, from the end of the 2 MiB that begin at ``Client/base``.
    var place: Int {
        switch self {
        case .shared(let device): device * 3
        case .dedicated(let device): device * 3 + 1
        case .unlimited(let device): device * 3 + 2
        }
    }

    var linear: LinearAddress { LinearAddress(rawValue: Client.base + UInt64(511 - place) * 4096) }

    var portal: (device: Int, Portal) {
        switch self {
        case .shared(let device): (device, Portal(workQueue: 0, limit: .limited, interruptTable: .msix))
        case .dedicated(let device): (device, Portal(workQueue: 1, limit: .limited, interruptTable: .msix))
        case .unlimited(let device): (device, Portal(workQueue: 0, limit: .unlimited, interruptTable: .msix))
        }
    }

    static func all(deviceCount: Int) -> [PortalPage] {
        (0..<deviceCount).flatMap { [.shared($0), .dedicated($0), .unlimited($0)] }
    }
}

/// A machine with devices: WQ 0 shared, size 16 and threshold 12, and WQ 1 dedicated, size 8, in one group.
@safe
final class MachineFixture {
    let memory: PhysicalMemory
    var machine: Machine
    private var blocks: [UnsafeMutableRawPointer] = unsafe []

    init(
        frameCount: Int = 2048, deviceCount: Int = 1, engineCount: Int = 1, hostQuota: UInt32 = 1000,
        blocksOnFault: Bool = false, notifierOrder: NotifierOrder = .deviceBeforeIOMMU
    ) throws {
        memory = PhysicalMemory(frameCount: frameCount)
        guard let machine = Machine(memory: memory, hostQuota: hostQuota, notifierOrder: notifierOrder) else {
            preconditionFailure("a machine needs a frame and a quota")
        }
        self.machine = machine
        for _ in 0..<deviceCount { try addDevice(engineCount: engineCount, blocksOnFault: blocksOnFault) }
    }

    deinit {
        while let block = unsafe blocks.popLast() { unsafe block.deallocate() }
    }

    func addDevice(engineCount: Int, blocksOnFault: Bool = false, port: Int? = nil) throws {
        var profile = DeviceProfile.dsa1
        profile.engineCount = engineCount
        let number = UInt8(machine.devices.count + 1)
        let requester = try #require(RequesterID(bus: 0x6A, device: number, function: 0))
        guard let device = machine.addDevice(profile: profile, requester: requester, port: port) else {
            preconditionFailure("the fixture has frames enough")
        }
        var shared = WorkQueueConfiguration()
        shared.size = 16
        shared.threshold = 12
        shared.priority = 10
        shared.pasidEnable = true
        shared.blockOnFaultEnable = blocksOnFault
        shared.maximumTransferShift = profile.general.maximumTransferShift
        shared.maximumBatchShift = profile.general.maximumBatchShift
        var dedicated = shared
        dedicated.mode = .dedicated
        dedicated.size = 8
        dedicated.pasidEnable = false
        for (index, configuration) in [shared, dedicated].enumerated() {
            try #require(machine.configure(workQueue: index, as: configuration, device: device) == true)
        }
        let group = GroupConfiguration(workQueues: 3, engines: 1 << UInt64(engineCount) - 1)
        try #require(machine.configure(group: 0, as: group, device: device) == true)
        for command in [DeviceCommand.enableDevice, .enableWorkQueue(0), .enableWorkQueue(1)] {
            try #require(machine.execute(command, device: device) == .completed(.none))
        }
    }
}

// MARK: Clients

extension MachineFixture {
    func addRAM(pageCount: Int) throws -> RAM {
        let byteCount = pageCount * 4096
        let block = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        unsafe block.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        unsafe blocks.append(block)
        let start = try #require(unsafe memory.addRegion(base: block, byteCount: UInt64(byteCount)))
        return RAM(physical: memory, start: start, pageCount: pageCount)
    }

    /// A process with memory, portals and a thread, bound to nothing.
    func makeProcess(pageCount: Int = 16) throws -> Client {
        let (index, _) = try machine.makeProcess()
        let ram = try addRAM(pageCount: pageCount)
        let space = AddressSpaceIndex.process(index)
        _ = try machine.mapMemory(
            ram.start, byteCount: UInt64(pageCount) * 4096, isReadOnly: false, at: Client.base, in: space)
        for page in PortalPage.all(deviceCount: machine.devices.count) {
            _ = try machine.mapPortal(page.portal.1, ofDevice: page.portal.device, at: page.linear.rawValue, in: space)
        }
        return Client(space: space, processor: machine.addThread(toProcess: index), ram: ram)
    }

    /// A VM with memory from GPA 0 on, portals and a vCPU at CPL 0 with paging, IA32_PASID invalid.
    func makeGuest(
        quota: UInt32 = 16, pageCount: Int = 16, settings: VMSettings = VMSettings()
    ) throws -> Client {
        let (index, _) = try machine.makeVM(quota: quota, settings: settings)
        let ram = try addRAM(pageCount: pageCount)
        let space = AddressSpaceIndex.virtualMachine(index)
        _ = try machine.mapMemory(
            ram.start, byteCount: UInt64(pageCount) * 4096, isReadOnly: false, at: 0, in: space)
        for page in PortalPage.all(deviceCount: machine.devices.count) {
            _ = try machine.mapPortal(
                page.portal.1, ofDevice: page.portal.device, at: Client.portalGPA + UInt64(page.place) * 4096,
                in: space)
        }
        let client = Client(space: space, processor: machine.addVCPU(toVM: index), ram: ram)
        writeGuestTables(of: client)
        machine.setPageTables((client.guestTables, .four), on: client.processor)
        return client
    }

    /// One table of each level: 2 MiB from ``Client/base`` lead to the memory, and their end to the portals.
    private func writeGuestTables(of client: Client) {
        let ram = client.ram
        let flags: UInt64 = 0x67
        let root = client.guestTables.rawValue
        ram[root] = root + 4096 | flags
        ram[root + 4096] = root + 8192 | flags
        ram[root + 8192 + Client.base >> 21 * 8] = root + 12288 | flags
        for page in 0..<ram.pageCount { ram[root + 12288 + UInt64(page) * 8] = UInt64(page) * 4096 | flags }
        for portal in PortalPage.all(deviceCount: machine.devices.count) {
            let place = UInt64(portal.place)
            ram[root + 12288 + (511 - place) * 8] = Client.portalGPA + place * 4096 | flags
        }
    }

    /// Sets a vCPU's IA32_PASID as its guest's kernel does.
    func setPASID(_ guestPASID: GuestPASID, on client: Client) throws {
        try setPASID(guestPASID, onProcessor: client.processor)
    }

    func setPASID(_ guestPASID: GuestPASID, onProcessor processor: Int) throws {
        let level = core(processor).privilegeLevel
        machine.setPrivilegeLevel(.supervisor, on: processor)
        let exception = machine.writeModelSpecificRegister(
            IA32PASID.address, value: 1 << 31 | UInt64(guestPASID.rawValue), on: processor)
        try #require(exception == .completed(nil))
        machine.setPrivilegeLevel(level, on: processor)
    }

    func core(_ processor: Int) -> LogicalProcessor { machine.processorStatus(processor).core }

    /// The last VM exit of a vCPU that an instruction caused, and no kick.
    func lastExit(_ processor: Int) -> VMExit? {
        let exit = machine.processors[processor].vmcs.lastExit
        return exit?.reason == .externalInterrupt ? nil : exit
    }
}

// MARK: Bindings

extension MachineFixture {
    /// Binds a process to a device and returns its host PASID.
    @discardableResult
    func bind(_ client: Client, device: Int = 0) throws -> HostPASID {
        switch try machine.prepareBinding(ofProcess: client.process, device: device) {
        case .prepared(let token, let ioasid), .extending(let token, let ioasid):
            try machine.publishBinding(token)
            return ioasid
        }
    }

    /// Binds a guest PASID, nested over the guest's tables, and returns its host PASID.
    @discardableResult
    func bind(_ guestPASID: GuestPASID, of client: Client, device: Int = 0) throws -> HostPASID {
        switch try prepare(guestPASID, of: client, device: device) {
        case .prepared(let token, let ioasid), .extending(let token, let ioasid):
            try machine.publishBinding(token)
            return ioasid
        }
    }

    func prepare(
        _ guestPASID: GuestPASID, of client: Client, device: Int = 0, ioasid: HostPASID? = nil
    ) throws(MachineError) -> BindingStart {
        try machine.prepareBinding(
            ofGuest: guestPASID, inVM: client.vm, device: device, ioasid: ioasid,
            stage: .nested(firstLevel: client.guestTables, .four))
    }

    /// A process that is bound to device 0.
    func makeBoundProcess() throws -> (Client, HostPASID) {
        let client = try makeProcess()
        return (client, try bind(client))
    }

    /// A guest whose vCPU has `guestPASID`, bound to device 0.
    func makeBoundGuest(_ guestPASID: GuestPASID = .guest(0x80123)) throws -> (Client, HostPASID) {
        let client = try makeGuest()
        let ioasid = try bind(guestPASID, of: client)
        try setPASID(guestPASID, on: client)
        return (client, ioasid)
    }

    /// The tokens of the unbinds that have drained, taken out of the effects.
    func takeDrainedTokens() -> [BindingToken] {
        let tokens = machine.effects.compactMap { if case .unbindDrained(let token) = $0 { token } else { nil } }
        machine.effects.removeAll { if case .unbindDrained = $0 { true } else { false } }
        return tokens
    }

    /// Unbinds what `begin` names, descriptors included.
    func unbind(_ begin: (inout Machine) throws(MachineError) -> UnbindingStart) throws {
        let token: BindingToken
        switch try begin(&machine) {
        case .unbinding(let started, _), .departing(let started, _): token = started
        }
        run()
        try #require(takeDrainedTokens() == [token])
        machine.completeUnbind(token)
    }

    func unbind(_ client: Client, device: Int? = nil) throws {
        try unbind { machine throws(MachineError) in
            try machine.beginUnbind(ofProcess: client.process, device: device)
        }
    }

    func unbind(_ guestPASID: GuestPASID, of client: Client, device: Int? = nil) throws {
        try unbind { machine throws(MachineError) in
            try machine.beginUnbind(ofGuest: guestPASID, inVM: client.vm, device: device)
        }
    }

    /// Whether (device, host PASID) has an entry in the IOMMU.
    func hasEntry(_ ioasid: HostPASID, device: Int = 0) -> Bool {
        machine.iommu.entry(requester: machine.devices[device].requester, pasid: ioasid) != nil
    }
}

// MARK: Work

extension MachineFixture {
    func holdEngines(_ isHeld: Bool = true, device: Int = 0) {
        for engine in 0..<machine.devices[device].profile.engineCount {
            machine.setHold(isHeld, engine: engine, device: device)
        }
    }

    func run() {
        while machine.step() {}
    }

    func submit(
        _ kind: EnqueueInstruction.Kind, _ descriptor: Descriptor, on processor: Int, to page: PortalPage = .shared()
    ) -> SubmissionOutcome {
        machine.submit(kind, destination: page.linear, source: .bytes(descriptor), on: processor)
    }

    /// ENQCMD on a client's processor.
    func enqcmd(_ descriptor: Descriptor, on client: Client, to page: PortalPage = .shared()) -> SubmissionOutcome {
        submit(.enqcmd, descriptor, on: client.processor, to: page)
    }

    func queue(_ workQueue: Int = 0, device: Int = 0) -> WorkQueue { machine.devices[device].workQueues[workQueue] }

    /// How many descriptors any WQ of any device has accepted, or answered.
    var arrivals: UInt64 { machine.totals.accepted + machine.totals.retried + machine.totals.dropped }

    var softwareError: SoftwareError { machine.devices[0].softwareError }

    /// A No-op that writes record `slot` of its client.
    func noOp(record slot: Int?) -> Descriptor {
        var descriptor = Descriptor()
        guard let slot else { return descriptor }
        descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
        descriptor.completionRecordAddress = LinearAddress(rawValue: Client.base + UInt64(slot) * 32)
        return descriptor
    }

    /// A Fill of `size` bytes.
    func fill(_ pattern: UInt64, at address: UInt64, size: Int, record slot: Int?) -> Descriptor {
        var descriptor = noOp(record: slot)
        descriptor.opcode = .fill
        descriptor.fillPattern = pattern
        descriptor.destinationAddress = LinearAddress(rawValue: address)
        descriptor.transferSize = UInt32(size)
        return descriptor
    }

    func move(from source: UInt64, to destination: UInt64, size: Int, record slot: Int?) -> Descriptor {
        var descriptor = noOp(record: slot)
        descriptor.opcode = .memoryMove
        descriptor.sourceAddress = LinearAddress(rawValue: source)
        descriptor.destinationAddress = LinearAddress(rawValue: destination)
        descriptor.transferSize = UInt32(size)
        return descriptor
    }
}

extension GuestPASID {
    static func guest(_ number: UInt32) -> GuestPASID { GuestPASID(truncating: number) }
}

extension Descriptor {
    /// The command on the wire: this with PASID and PRIV.
    func command(_ pasid: HostPASID, isPrivileged: Bool = false) -> Descriptor {
        var command = self
        command.firstDword = pasid.rawValue | (isPrivileged ? 1 << 31 : 0)
        return command
    }
}

extension SubmissionOutcome {
    static let accepted = SubmissionOutcome.retired([])
    static let retry = SubmissionOutcome.retired(.zero)

    static func generalProtection(_ cause: GeneralProtectionCause) -> SubmissionOutcome {
        .exception(.generalProtection(cause))
    }
}
