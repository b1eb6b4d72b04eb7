internal import DSA
internal import DSASpec
internal import IOMMU
internal import Machine
internal import PCIe
internal import Platform
internal import Virtualization

/// A machine with one device that is shared by one scheme, and the tenants it has so far.
@safe
final class Site {
    private static let pageByteCount = 4096
    private static let descriptorsPerTurn = 16
    private static let attemptsPerTurn = 32
    private static let guestPASID = GuestPASID(truncating: 1)

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    @safe
    private struct Tenant {
        let processor: Int
        let portal: LinearAddress
        let record: LinearAddress
        /// The status byte of the record.
        let status: UnsafeMutablePointer<UInt8>
        var isWaiting = false
    }

    private let scheme: Scheme
    private let frames: MemoryMapping
    private let pages: MemoryMapping
    private var machine: Machine
    private var devices: [Int] = []
    private var tenants: [Tenant] = []

    var tenantCount: Int { tenants.count }

    init(_ scheme: Scheme, tenantsMax: Int) throws {
        self.scheme = scheme
        // Page tables and PASID tables of a VM, and the IOMMU's.
        frames = try MemoryMapping.anonymous(byteCount: (2048 + 8 * tenantsMax) * Self.pageByteCount)
        pages = try MemoryMapping.anonymous(byteCount: tenantsMax * Self.pageByteCount)
        let memory = unsafe PhysicalMemory(frames: frames.baseAddress, byteCount: UInt64(frames.byteCount))
        guard let machine = Machine(memory: memory, hostQuota: 1) else { throw Failure(description: "no frames") }
        self.machine = machine
        try plugDevice()
    }

    /// One DSA 1.0 part, divided as the scheme wants it.
    private func plugDevice() throws {
        var profile = DeviceProfile.dsa1
        // A function needs a WQ, an engine and a group of its own.
        profile.virtualFunctionCountMax = min(profile.workQueueCount, profile.engineCount, profile.groupCount)
        guard let requester = RequesterID(bus: 0x6A, device: 1, function: 0),
            let device = machine.addDevice(profile: profile, requester: requester)
        else { throw Failure(description: "no place for the device") }
        switch scheme {
        case .virtualFunction:
            devices = try machine.enableVirtualFunctions(profile.virtualFunctionCountMax, ofDevice: device)
            for part in devices { try enable(part, queueCount: 1, mode: .dedicated) }
        case .dedicatedQueue:
            devices = [device]
            try enable(device, queueCount: profile.workQueueCount, mode: .dedicated)
        case .sharedQueue:
            devices = [device]
            try enable(device, queueCount: 1, mode: .shared)
        }
    }

    private func enable(_ device: Int, queueCount: Int, mode: WorkQueueConfiguration.Mode) throws {
        let profile = machine.devices[device].profile
        var configuration = WorkQueueConfiguration()
        configuration.mode = mode
        configuration.size = UInt16(profile.totalWorkQueueSize / queueCount)
        // A few entries stay out of the reach of limited portals.
        configuration.threshold = mode == .shared ? configuration.size * 7 / 8 : 0
        configuration.pasidEnable = mode == .shared
        configuration.priority = 10
        configuration.maximumTransferShift = profile.general.maximumTransferShift
        configuration.maximumBatchShift = profile.general.maximumBatchShift
        var isDone = true
        for queue in 0..<queueCount {
            isDone = machine.configure(workQueue: queue, as: configuration, device: device) && isDone
        }
        let group = GroupConfiguration(
            workQueues: 1 << UInt64(queueCount) - 1, engines: 1 << UInt64(profile.engineCount) - 1)
        isDone = machine.configure(group: 0, as: group, device: device) && isDone
        isDone = machine.execute(.enableDevice, device: device) == .completed(.none) && isDone
        if mode == .shared {
            isDone = machine.execute(.enableWorkQueue(0), device: device) == .completed(.none) && isDone
        }
        guard isDone else { throw Failure(description: "the device does not take its configuration") }
    }

    // MARK: Tenants

    /// Adds a VM with its share of the device.
    ///
    /// - Returns: Why there is none for it.
    func addTenant() throws -> String? {
        let (vm, _) = try machine.makeVM(quota: 1)
        let processor = machine.addVCPU(toVM: vm)
        let offset = tenants.count * Self.pageByteCount
        let page = unsafe frame(at: offset)
        guard let region = unsafe machine.memory.addRegion(base: page, byteCount: UInt64(Self.pageByteCount)) else {
            return "no region of memory is left"
        }
        let record = try machine.mapMemory(
            region, byteCount: UInt64(Self.pageByteCount), isReadOnly: false, at: nil, in: .virtualMachine(vm))
        // Of a virtual function the tenant has all there is; of an interface its WQ.
        let device = scheme == .virtualFunction ? devices[min(tenants.count, devices.count - 1)] : devices[0]
        let start = try machine.prepareBinding(
            ofGuest: Self.guestPASID, inVM: vm, device: device, ioasid: nil, stage: .secondStageOnly)
        guard case .prepared(let token, _) = start else { throw Failure(description: "a VM binds its PASID once") }
        try machine.publishBinding(token)
        guard
            machine.writeModelSpecificRegister(
                IA32PASID.address, value: 1 << 31 | UInt64(Self.guestPASID.rawValue), on: processor
            ).exception == nil
        else { throw Failure(description: "IA32_PASID takes no value") }
        do throws(SharingRefusal) {
            let type: InterfaceType = scheme == .sharedQueue ? .sharedQueue : .dedicatedQueue
            let id = try machine.composeInterface(type, onDevice: device, forVM: vm, guestPASID: Self.guestPASID)
            unsafe tenants.append(
                Tenant(
                    processor: processor,
                    portal: LinearAddress(rawValue: machine.interface(id).portal.rawValue),
                    record: LinearAddress(rawValue: record),
                    status: page.assumingMemoryBound(to: UInt8.self)))
            return nil
        } catch { return reason(error) }
    }

    private func frame(at offset: Int) -> UnsafeMutableRawPointer { unsafe pages.baseAddress + offset }

    private func reason(_ refusal: SharingRefusal) -> String {
        switch refusal {
        case .noDedicatedQueue where scheme == .virtualFunction:
            "each of the \(devices.count) virtual functions is taken: one WQ, one engine, one group each, and no more"
        case .noDedicatedQueue(let count): "each of the device's \(count) dedicated WQs is taken"
        case .noSharedQueue: "the device has no shared WQ"
        case .notMapped: "no memory is left for page tables"
        default: "\(refusal)"
        }
    }

    // MARK: Measuring

    /// Lets the tenants submit for so long and counts.
    func measure(nanoseconds: UInt64) -> Point {
        let before = machine.totals
        let start = MonotonicClock.nanoseconds()
        var elapsed: UInt64 = 0
        var next = 0
        var isWarm = false
        var accepted: UInt64 = 0
        var retried: UInt64 = 0
        while elapsed < nanoseconds || !isWarm {
            for _ in 0..<Self.attemptsPerTurn {
                submit(next)
                next += 1
                if next == tenants.count {
                    next = 0
                    isWarm = true
                }
            }
            _ = machine.step(budget: Device.Budget(actions: Self.descriptorsPerTurn))
            machine.effects.removeAll(keepingCapacity: true)
            elapsed = MonotonicClock.nanoseconds() - start
        }
        let after = machine.totals
        accepted = after.accepted - before.accepted
        retried = after.retried - before.retried
        return Point(
            tenants: tenants.count, acceptedPerSecond: Double(accepted) * 1e9 / Double(elapsed),
            retryRate: accepted + retried == 0 ? 0 : Double(retried) / Double(accepted + retried))
    }

    /// The turn of tenant `index`: it submits unless its last descriptor is under way.
    private func submit(_ index: Int) {
        let tenant = tenants[index]
        if tenant.isWaiting {
            guard unsafe tenant.status.pointee != 0 else { return }
            unsafe tenant.status.pointee = 0
            tenants[index].isWaiting = false
        }
        var descriptor = Descriptor()
        descriptor.flags = [.completionRecordAddressValid, .requestCompletionRecord]
        descriptor.completionRecordAddress = tenant.record
        let kind: EnqueueInstruction.Kind = scheme == .sharedQueue ? .enqcmd : .movdir64b
        let outcome = machine.submit(
            kind, destination: tenant.portal, source: .bytes(descriptor), on: tenant.processor)
        // A posted write has no answer: the tenant counts its one credit.
        tenants[index].isWaiting = scheme != .sharedQueue || outcome == .retired([])
    }
}
