import DSA
import DSASpec
import IOMMU
import PCIe
import Testing

/// A device with memory behind a real IOMMU. One address space stands behind every PASID of ``pasids``.
@safe
final class DeviceFixture {
    static let requester = RequesterID(rawValue: 0x6A08)

    /// The first linear address of the memory.
    static let base: UInt64 = 0x100_0000

    /// Bound to the address space; any other PASID has no entry in the IOMMU.
    static let pasids = [HostPASID(truncating: 11), HostPASID(truncating: 12), HostPASID(truncating: 13)]

    static var pasid: HostPASID { pasids[0] }

    let memory = PhysicalMemory(frameCount: 512)
    var iommu: IOMMU
    var device: Device
    private var table: FirstStageTable
    private let bytes: UnsafeMutableRawPointer
    private let byteCount: Int
    private let region: HostPhysicalAddress

    /// - Parameter pageCount: Pages of memory from ``base`` on; the first 16 are for records (``record(_:)``).
    init(profile: DeviceProfile = .dsa1, pageCount: Int = 64) throws {
        byteCount = pageCount * 4096
        unsafe bytes = .allocate(byteCount: byteCount, alignment: 4096)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        region = try #require(unsafe memory.addRegion(base: bytes, byteCount: UInt64(byteCount)))
        guard var iommu = IOMMU(memory: memory), var table = FirstStageTable(memory: memory),
            iommu.enableRequester(Self.requester)
        else { preconditionFailure("the fixture has frames enough") }
        for pasid in Self.pasids {
            let isSet = iommu.setEntry(
                requester: Self.requester, pasid: pasid, translation: table.translation,
                domain: DomainID(rawValue: 0), options: [.writeProtect, .supervisorRequests])
            precondition(isSet, "the fixture has frames enough")
        }
        try table.map(
            LinearAddress(rawValue: Self.base), to: region, byteCount: UInt64(byteCount), writable: true)
        self.iommu = iommu
        self.table = table
        device = Device(profile: profile, requester: Self.requester)
    }

    deinit {
        unsafe bytes.deallocate()
    }
}

// MARK: Configuration

extension DeviceFixture {
    /// Configures and enables these WQs, WQ 0 first, in one group with all engines or in `groups`.
    func enable(_ queues: [WorkQueueConfiguration], groups: [GroupConfiguration]? = nil) throws {
        for (index, queue) in queues.enumerated() {
            try #require(device.configure(workQueue: index, as: queue) == true)
        }
        let all = GroupConfiguration(
            workQueues: 1 << UInt64(queues.count) - 1, engines: 1 << UInt64(device.profile.engineCount) - 1)
        for (index, group) in (groups ?? [all]).enumerated() {
            try #require(device.configure(group: index, as: group) == true)
        }
        try #require(device.execute(.enableDevice) == .completed(.none))
        for index in queues.indices where queues[index].size > 0 {
            try #require(device.execute(.enableWorkQueue(index)) == .completed(.none))
        }
    }

    /// A device with one enabled SWQ.
    static func sharedQueue(
        size: UInt16 = 16, threshold: UInt16 = 16, engineCount: Int = 1, pageCount: Int = 64,
        openPoints: OpenPoints = OpenPoints()
    ) throws -> DeviceFixture {
        var profile = DeviceProfile.dsa1
        profile.engineCount = engineCount
        profile.openPoints = openPoints
        let fixture = try DeviceFixture(profile: profile, pageCount: pageCount)
        try fixture.enable([.shared(size: size, threshold: threshold)])
        return fixture
    }

    /// A device with one enabled DWQ of ``pasid``.
    static func dedicatedQueue(
        size: UInt16 = 16, engineCount: Int = 1, pageCount: Int = 64
    ) throws -> DeviceFixture {
        var profile = DeviceProfile.dsa1
        profile.engineCount = engineCount
        let fixture = try DeviceFixture(profile: profile, pageCount: pageCount)
        try fixture.enable([.dedicated(size: size)])
        return fixture
    }

    /// Holds or releases every engine.
    func holdEngines(_ isHeld: Bool = true) {
        for engine in 0..<device.profile.engineCount { device.setHold(isHeld, engine: engine) }
    }
}

extension WorkQueueConfiguration {
    static func shared(size: UInt16 = 16, threshold: UInt16? = nil, priority: UInt8 = 10) -> Self {
        var configuration = Self()
        configuration.size = size
        configuration.threshold = threshold ?? size
        configuration.mode = .shared
        configuration.priority = priority
        configuration.pasidEnable = true
        configuration.maximumTransferShift = GeneralCapabilities.dsa1.maximumTransferShift
        configuration.maximumBatchShift = GeneralCapabilities.dsa1.maximumBatchShift
        return configuration
    }

    static func dedicated(
        size: UInt16 = 16, pasid: HostPASID? = DeviceFixture.pasid, priority: UInt8 = 10
    ) -> Self {
        var configuration = Self.shared(size: size, threshold: 0, priority: priority)
        configuration.mode = .dedicated
        configuration.pasidEnable = pasid != nil
        if let pasid { configuration.pasid = pasid }
        return configuration
    }
}

extension Portal {
    /// The MSI-X portal of a WQ.
    static func of(_ workQueue: Int, _ limit: Limit = .unlimited) -> Portal {
        Portal(workQueue: workQueue, limit: limit, interruptTable: .msix)
    }
}

// MARK: Work

extension DeviceFixture {
    /// Submits through the unlimited portal of an SWQ; the queue must take it.
    func enqueue(_ descriptor: Descriptor, to workQueue: Int = 0) throws {
        try #require(device.enqueue(descriptor, to: .of(workQueue)) == .successfulCompletion)
    }

    /// Lets the engines work until nothing can go on.
    func run() {
        while device.step(iommu: &iommu, memory: memory) {}
    }

    /// One step with windows that are too long for the loop handed out.
    @discardableResult
    func stepWithThreads(_ budget: Device.Budget = Device.Budget()) -> Bool {
        device.step(iommu: &iommu, memory: memory, budget: budget, runsInline: false)
    }

    /// One step that takes one action.
    @discardableResult
    func stepOnce() -> Bool {
        device.step(iommu: &iommu, memory: memory, budget: Device.Budget(actions: 1))
    }

    /// Runs the next window that waits for a thread on one, without giving it back. Returns its engine.
    func runReadyWindow() async throws -> Int {
        guard let ready = unsafe device.takeReadyWindow() else { throw NoReadyWindow() }
        await Task.detached { unsafe Transfer.run(&ready.window.pointee) }.value
        return unsafe ready.engine
    }

    struct NoReadyWindow: Error {}

    var hasWork: Bool { device.hasWork }

    func finishWindow(engine: Int) {
        device.finishWindow(engine: engine, iommu: &iommu, memory: memory)
    }

    /// The sum of what became of the descriptors of a WQ, and how many it accepted: equal at any time (D-11).
    func account(of workQueue: Int) -> (ended: UInt64, accepted: UInt64) {
        let queue = device.workQueues[workQueue]
        return (
            queue.counts.completed + queue.counts.abandoned + UInt64(queue.occupancy + queue.inProgress),
            queue.counts.accepted
        )
    }
}

// MARK: Memory

extension DeviceFixture {
    /// The linear address of page `page`.
    func page(_ page: Int) -> UInt64 { Self.base + UInt64(page) * 4096 }

    /// The linear address of record `slot`, in the first 16 pages.
    func recordAddress(_ slot: Int) -> UInt64 {
        precondition(slot < 16 * 128, "records lie in the first 16 pages")
        return Self.base + UInt64(slot) * 32
    }

    func record(_ slot: Int) -> CompletionRecord {
        unsafe CompletionRecord(loading: bytes + slot * 32)
    }

    /// The status of record `slot`; none while it has not been written.
    func status(_ slot: Int) -> CompletionStatus { record(slot).status }

    func write(_ contents: [UInt8], at address: UInt64) {
        let offset = Int(address - Self.base)
        precondition(offset + contents.count <= byteCount)
        for (index, byte) in contents.enumerated() {
            unsafe bytes.storeBytes(of: byte, toByteOffset: offset + index, as: UInt8.self)
        }
    }

    func read(_ count: Int, at address: UInt64) -> [UInt8] {
        let offset = Int(address - Self.base)
        precondition(offset + count <= byteCount)
        return unsafe Array(UnsafeRawBufferPointer(start: bytes + offset, count: count))
    }

    /// Writes a batch's list.
    func writeList(_ members: [Descriptor], at address: UInt64) {
        for (index, member) in members.enumerated() {
            for word in 0..<8 {
                let offset = Int(address - Self.base) + index * 64 + word * 8
                precondition(offset + 8 <= byteCount)
                unsafe bytes.storeBytes(of: member[word: word].littleEndian, toByteOffset: offset, as: UInt64.self)
            }
        }
    }

    /// Maps `byteCount` bytes from `address`, outside the memory's own addresses, to the memory from page `page` on.
    func map(_ address: UInt64, toPage page: Int, byteCount: UInt64) throws {
        try table.map(
            LinearAddress(rawValue: address), to: region.advanced(by: UInt64(page) * 4096), byteCount: byteCount,
            writable: true)
    }

    /// What was changed in the page table counts for the unit and for the device's own TLB.
    private func forgetTranslations() {
        iommu.invalidate(.globalTLB)
        device.invalidateTranslations(.global)
    }

    /// Takes the page at `address`, outside the memory's own addresses, away.
    func unmap(_ address: UInt64) throws {
        try table.unmap(LinearAddress(rawValue: address), byteCount: 4096)
        forgetTranslations()
    }

    /// Takes page `page` out of the address space.
    func unmap(page: Int) throws {
        try table.unmap(LinearAddress(rawValue: self.page(page)), byteCount: 4096)
        forgetTranslations()
    }

    /// Puts page `page` back, or makes it read-only.
    func map(page: Int, writable: Bool) throws {
        try table.remap(
            LinearAddress(rawValue: self.page(page)), to: region.advanced(by: UInt64(page) * 4096), byteCount: 4096,
            writable: writable)
        forgetTranslations()
    }

    /// Puts what is no memory where page `page` was: a device's page.
    func mapNoMemory(page: Int) throws {
        try unmap(page: page)
        try table.map(
            LinearAddress(rawValue: self.page(page)),
            to: HostPhysicalAddress(rawValue: UInt64(PhysicalMemory.mmioRegionIndex) << 36), byteCount: 4096,
            writable: true)
    }
}

// MARK: Descriptors

extension DeviceFixture {
    /// A descriptor of ``pasid`` with CRAV and RCR for record `slot`, or with neither.
    func descriptor(
        _ opcode: Opcode, pasid: HostPASID = DeviceFixture.pasid, record slot: Int?, flags: DescriptorFlags = [],
        source: UInt64 = 0, destination: UInt64 = 0, size: Int = 0
    ) -> Descriptor {
        var descriptor = Descriptor()
        descriptor.firstDword = pasid.rawValue
        descriptor.opcode = opcode
        descriptor.flags = flags
        if let slot {
            descriptor.flags.formUnion([.completionRecordAddressValid, .requestCompletionRecord])
            descriptor.completionRecordAddress = LinearAddress(rawValue: recordAddress(slot))
        }
        descriptor.sourceAddress = LinearAddress(rawValue: source)
        descriptor.destinationAddress = LinearAddress(rawValue: destination)
        descriptor.transferSize = UInt32(size)
        return descriptor
    }

    func noOp(pasid: HostPASID = DeviceFixture.pasid, record slot: Int?) -> Descriptor {
        descriptor(.noOp, pasid: pasid, record: slot)
    }

    func batch(list: UInt64, count: Int, record slot: Int?) -> Descriptor {
        descriptor(.batch, record: slot, source: list, size: count)
    }
}

extension Device {
    /// The ends of commands among the effects.
    var commandEnds: [CommandError] {
        effects.compactMap { if case .commandCompleted(let error) = $0 { error } else { nil } }
    }

    /// The tokens of the drains that ended.
    var drainEnds: [UInt64] {
        effects.compactMap { if case .drained(let token) = $0 { token } else { nil } }
    }

    /// How often SWERROR changed.
    var softwareErrorCount: Int {
        effects.count { if case .softwareError = $0 { true } else { false } }
    }
}
