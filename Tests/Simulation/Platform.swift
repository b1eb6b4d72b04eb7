import DSA
import DSASpec
import IOMMU
import Machine
import PCIe
import Virtualization

/// A rule that was broken, and how to see it again.
public struct Violation: Error, CustomStringConvertible {
    /// The identifier of the invariant, or the section.
    public let rule: String
    let detail: String
    let seed: UInt64
    let step: Int

    /// For people.
    public var description: String { "\(rule): \(detail); seed \(seed), step \(step)" }
}

/// What the simulation has come across.
public struct Coverage: Sendable {
    /// Micro-steps.
    public var steps = 0
    /// VM entries.
    public var entries = 0
    /// A vCPU found the gate closed and waited.
    public var gateWaits = 0
    /// vCPUs that were forced out.
    public var kicks = 0
    /// A rendezvous went on beside a vCPU that was halted.
    public var haltedBystanders = 0
    /// Changes of a table.
    public var edits = 0
    /// Descriptors that the device took.
    public var accepted = 0
    /// Exits 72.
    public var skipped = 0
    /// Bindings that were completed.
    public var binds = 0
    /// Unbinds that began.
    public var unbinds = 0
    /// Frees of what was bound that began.
    public var frees = 0
    /// Rendezvous that found the lock taken.
    public var contended = 0
    /// VMs that ended.
    public var deaths = 0

    /// Nothing yet.
    public init() {}

    /// Adds another run's.
    public static func += (left: inout Self, right: Self) {
        left.steps += right.steps
        left.entries += right.entries
        left.gateWaits += right.gateWaits
        left.kicks += right.kicks
        left.haltedBystanders += right.haltedBystanders
        left.edits += right.edits
        left.accepted += right.accepted
        left.skipped += right.skipped
        left.binds += right.binds
        left.unbinds += right.unbinds
        left.frees += right.frees
        left.contended += right.contended
        left.deaths += right.deaths
    }
}

/// A whole machine as micro-steps: VMs whose vCPUs enter, submit, halt and are kicked, VMM threads that bind, unbind
/// and free, a device, store buffers that drain when chance says so, VMMs that are killed. The seed decides what comes
/// next; the invariants are checked after each step.
@safe
public final class Platform {
    var machine: Machine
    let physical: PhysicalMemory
    var memory = StoreBufferMemory()
    var guests: [SimulatedGuest] = []
    var vcpus: [SimulatedVCPU] = []
    var tasks: [SimulatedTask] = []
    /// Host PASIDs whose descriptors are being drained, or were: until they are bound again.
    var drained: Set<HostPASID> = []
    var dice: Dice
    let seed: UInt64
    let mutation: Mutation?
    let initialFrameCount: Int
    let initialAvailable: UInt32
    var nextSerial: UInt64 = 1
    /// Nothing new begins.
    private var isSettling = false
    /// What happened so far.
    public private(set) var coverage = Coverage()
    /// Tells two runs apart: of every step, what it was.
    public private(set) var fingerprint: UInt64 = 0xCBF2_9CE4_8422_2325
    private var blocks: [UnsafeMutableRawPointer] = unsafe []

    static let guestCountMax = 3
    static let threadsPerGuest = 2
    static let editorThreads: UInt32 = 10_000

    /// A platform with one device. Odd seeds have the notifiers of version 4, even ones those of version 3.
    public init(seed: UInt64, mutation: Mutation? = nil) {
        self.seed = seed
        self.mutation = mutation
        dice = Dice(seed: seed &* 0x2545_F491_4F6C_DD1D &+ 1)
        physical = PhysicalMemory(frameCount: 512)
        guard
            let made = Machine(
                memory: physical, hostQuota: 1, ioasidCapacity: 64,
                notifierOrder: seed & 1 == 0 ? .deviceBeforeIOMMU : .iommuBeforeDevice)
        else { preconditionFailure("there are frames enough") }
        machine = made
        initialAvailable = machine.ioasids.available
        var profile = DeviceProfile.dsa1
        profile.engineCount = 2
        guard let requester = RequesterID(bus: 0x6A, device: 1, function: 0),
            let device = machine.addDevice(profile: profile, requester: requester)
        else { preconditionFailure("there are frames enough") }
        initialFrameCount = physical.frameCountInUse
        var queue = WorkQueueConfiguration()
        queue.size = 8
        queue.threshold = 6
        queue.priority = 10
        queue.pasidEnable = true
        queue.maximumTransferShift = profile.general.maximumTransferShift
        queue.maximumBatchShift = profile.general.maximumBatchShift
        let isConfigured =
            machine.configure(workQueue: 0, as: queue, device: device)
            && machine.configure(group: 0, as: GroupConfiguration(workQueues: 1, engines: 3), device: device)
            && machine.execute(.enableDevice, device: device) == .completed(.none)
            && machine.execute(.enableWorkQueue(0), device: device) == .completed(.none)
        precondition(isConfigured, "the device takes its configuration")
        for _ in 0..<2 { addGuest() }
    }

    deinit {
        while let block = unsafe blocks.popLast() { unsafe block.deallocate() }
    }

    /// Takes `count` steps, and then ends everything.
    public func run(steps count: Int) throws(Violation) {
        for _ in 0..<count { try step() }
        isSettling = true
        for guest in guests.indices where guests[guest].life == .living { guests[guest].life = .dying }
        var patience = 200_000
        while guests.contains(where: { $0.life != .gone }) {
            try step()
            patience -= 1
            guard patience > 0 else { throw violation("liveness", "something waits for ever") }
        }
        try checkEmpty()
    }

    func violation(_ rule: String, _ detail: String) -> Violation {
        Violation(rule: rule, detail: detail, seed: seed, step: coverage.steps)
    }

    func count(_ what: (inout Coverage) -> Void) { what(&coverage) }

    func mix(_ value: Int) { fingerprint = (fingerprint ^ UInt64(truncatingIfNeeded: value)) &* 0x100_0000_01B3 }

    // MARK: Guests

    func addGuest() {
        let made: Int
        do throws(MachineError) {
            made = try machine.makeVM(quota: SimulatedGuest.quota).index
        } catch { return }
        let byteCount = Int(SimulatedGuest.ramByteCount)
        let block = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
        unsafe block.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        unsafe blocks.append(block)
        let space = AddressSpaceIndex.virtualMachine(made)
        guard let ram = unsafe physical.addRegion(base: block, byteCount: SimulatedGuest.ramByteCount) else {
            preconditionFailure("there are regions enough")
        }
        do throws(MachineError) {
            _ = try machine.mapMemory(
                ram, byteCount: SimulatedGuest.ramByteCount, isReadOnly: false, at: 0, in: space)
            _ = try machine.mapPortal(
                Portal(workQueue: 0, limit: .limited, interruptTable: .msix), ofDevice: 0, at: SimulatedGuest.portal,
                in: space)
        } catch { preconditionFailure("a new VM has room: \(error)") }
        let guest = guests.count
        guests.append(SimulatedGuest(vm: made, ram: ram, tag: UInt64(guest + 1)))
        for _ in 0...dice.below(3) { addVCPU(to: guest) }
    }

    func addVCPU(to guest: Int) {
        // It is added outside: its first entry finds the gate as it is.
        let processor = machine.addVCPU(toVM: guests[guest].vm, isEntered: false)
        let thread = HostThreadID(rawValue: UInt32(processor))
        if mutation == .entryWithoutBarrier { memory.withoutFence.insert(thread) }
        vcpus.append(
            SimulatedVCPU(
                guest: guest, processor: processor,
                state: .entering(VMEntrySequence(vm: guests[guest].vm, processor: processor, thread: thread))))
    }

    // MARK: The scheduler

    private func step() throws(Violation) {
        count { $0.steps += 1 }
        let choice = dice.below(100)
        mix(choice)
        switch choice {
        case 0..<50: try stepVCPU()
        case 50..<72: try stepTask()
        case 72..<86: drainOneStore()
        case 86..<93: _ = machine.step(budget: Device.Budget(actions: 1))
        case 93..<98 where !isSettling: startTask()
        default: try changeGuests()
        }
        try takeEffects()
        try check()
    }

    private func drainOneStore() {
        let threads = memory.threadsWithStores
        guard !threads.isEmpty else { return }
        let place = dice.below(threads.count)
        mix(place)
        memory.drain(threads[place])
    }

    private func takeEffects() throws(Violation) {
        guard !machine.effects.isEmpty else { return }
        for effect in machine.effects {
            guard case .unbindDrained(let token) = effect else { continue }
            for guest in guests.indices where guests[guest].life == .draining {
                guard let place = guests[guest].ending.firstIndex(of: token) else { continue }
                try checkConclusion(of: machine.describe(token))
                guests[guest].ending.remove(at: place)
                machine.completeUnbind(token)
            }
        }
        machine.effects.removeAll(keepingCapacity: true)
    }

    private func changeGuests() throws(Violation) {
        if !isSettling, dice.oneIn(8), guests.count(where: { $0.life != .gone }) < Self.guestCountMax, guests.count < 12
        {
            addGuest()
        }
        let present = guests.indices.filter { guests[$0].life != .gone }
        guard !present.isEmpty else { return }
        let guest = present[dice.below(present.count)]
        switch guests[guest].life {
        case .living:
            if dice.oneIn(12) { guests[guest].life = .dying }
        case .dying:
            let isIdle =
                !tasks.contains { $0.guest == guest }
                && vcpus.allSatisfy { if case .gone = $0.state { true } else { $0.guest != guest } }
            guard isIdle else { return }
            for vcpu in vcpus where vcpu.guest == guest { _ = machine.removeProcessor(vcpu.processor) }
            vcpus.removeAll { $0.guest == guest }
            // KVM's file or the one of the IOASID set is closed first.
            if dice.oneIn(2) { machine.endHypervisor(ofVM: guests[guest].vm) }
            guests[guest].ending = machine.freeAllIOASIDs(ofVM: guests[guest].vm)
            guests[guest].life = .draining
        case .draining:
            guard guests[guest].ending.isEmpty else { return }
            try remove(guest)
        case .gone:
            break
        }
    }

    private func remove(_ guest: Int) throws(Violation) {
        let vm = guests[guest].vm
        let set = machine.ioasidSet(ofVM: vm)
        guard machine.ioasids.description(of: set)?.count == 0 else {
            throw violation("I-12", "the set of a VM whose IOASIDs were all freed still has some")
        }
        try checkMemory(of: guest)
        for mapping in machine.mappings(of: .virtualMachine(vm)) {
            do throws(MachineError) {
                _ = try machine.unmap(startingAt: mapping.start, from: .virtualMachine(vm))
            } catch { preconditionFailure("what is listed can be unmapped: \(error)") }
        }
        machine.removeVM(vm)
        physical.removeRegion(at: guests[guest].ram)
        guests[guest].life = .gone
        guests[guest].model = [:]
        count { $0.deaths += 1 }
    }
}
