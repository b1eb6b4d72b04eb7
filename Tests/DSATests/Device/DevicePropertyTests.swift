import DSA
import DSASpec
import IOMMU
import PCIe
import TestKit
import Testing

/// A device driven at random, and what must hold of it after every action.
private final class DeviceDriver {
    let fixture: DeviceFixture
    let seed: UInt64
    private var generator: OperationsGenerator
    private var nextSlot = 0
    /// Windows that threads have, run or not.
    private var windowsOut: [Int] = []
    private var isCommandActive = false
    private var drainTokens: Set<UInt64> = []
    private var nextToken: UInt64 = 1
    private let hasPageRequests: Bool
    /// The page requests without answer.
    private var askedGroups: Set<PageRequestGroup> = []

    init(seed: UInt64) throws {
        self.seed = seed
        generator = OperationsGenerator(seed: seed)
        var profile = DeviceProfile.dsa1
        profile.engineCount = Int.random(in: 1...4, using: &generator)
        fixture = try DeviceFixture(profile: profile, pageCount: 200)
        try #require(fixture.device.enableUserInterrupts(true) == true)
        for (index, pasid) in DeviceFixture.pasids.enumerated() {
            fixture.program(InterruptVector(.msix, UInt16(index + 1)), pasid: pasid)
        }
        hasPageRequests = Bool.random(using: &generator)
        let allocation = Int.random(in: 1...4, using: &generator)
        try #require(fixture.device.setPageRequests(isEnabled: hasPageRequests, allocation: allocation) == true)
        let size = UInt16.random(in: 1...24, using: &generator)
        try fixture.enable((0..<3).map { configuration(ofQueue: $0, size: $0 == 0 ? size : nil) })
    }

    private func configuration(ofQueue queue: Int, size: UInt16? = nil) -> WorkQueueConfiguration {
        var configuration: WorkQueueConfiguration =
            switch queue {
            case 0: .shared(size: size ?? 12, threshold: 8, priority: 6)
            case 1: .shared(size: 8, priority: 2)
            default: .dedicated(size: 6)
            }
        configuration.blockOnFaultEnable = hasPageRequests && queue != 1
        return configuration
    }

    private func chance(_ count: UInt64) -> Bool { UInt64.random(in: 0..<count, using: &generator) == 0 }

    private var randomPASID: HostPASID {
        chance(12) ? HostPASID(truncating: 0x5_5555) : DeviceFixture.pasids.randomElement(using: &generator)!
    }

    private func randomDescriptor() -> Descriptor {
        let slot = nextSlot
        nextSlot += 1
        let pasid = randomPASID
        switch UInt8.random(in: 0..<10, using: &generator) {
        case 0:
            return fixture.descriptor(.drain, pasid: pasid, record: slot)
        case 1, 2:
            return fixture.descriptor(
                .memoryMove, pasid: pasid, record: slot, source: fixture.page(16), destination: fixture.page(100),
                size: Int.random(in: 1...(90 * 4096), using: &generator))
        case 3:
            // Its members report nothing, so that records count direct descriptors.
            return fixture.descriptor(
                .batch, pasid: pasid, record: slot, source: fixture.page(196),
                size: Int.random(in: 0...20, using: &generator))
        case 5:
            return fixture.descriptor(
                .fill, pasid: pasid, record: slot, flags: chance(2) ? .blockOnFault : [],
                destination: fixture.page(Int.random(in: 190...195, using: &generator)), size: 100)
        case 4:
            return fixture.descriptor(Opcode(rawValue: UInt8.random(in: 0...255, using: &generator)), record: slot)
                .with { $0.flags = [.completionRecordAddressValid, .requestCompletionRecord] }
        default:
            guard chance(3) else { return fixture.noOp(pasid: pasid, record: slot) }
            // A DWQ's PASID is another, and a reset takes the permissions back: not all of these may interrupt.
            return fixture.interruptingNoOp(
                handle: UInt16.random(in: 0...4, using: &generator), pasid: pasid, record: slot)
        }
    }

    private func randomCommand() -> DeviceCommand {
        let mask = UInt64.random(in: 0...7, using: &generator)
        return switch UInt8.random(in: 0..<12, using: &generator) {
        case 0: .drainAll
        case 1: .abortAll
        case 2: .drainWorkQueues(mask)
        case 3: .abortWorkQueues(mask)
        case 4: .drainPASID(randomPASID)
        case 5: .abortPASID(randomPASID)
        case 6: .disableWorkQueues(mask)
        case 7: .resetWorkQueues(mask)
        case 8: .disableDevice
        case 9: .resetDevice
        case 10: .enableDevice
        default: .enableWorkQueue(Int.random(in: 0..<4, using: &generator))
        }
    }

    /// Configures and enables again whatever a command disabled.
    private func restore() {
        if fixture.device.state == .disabled {
            for queue in 0..<3 {
                _ = fixture.device.configure(workQueue: queue, as: configuration(ofQueue: queue))
            }
            let engines: UInt64 = 1 << UInt64(fixture.device.profile.engineCount) - 1
            _ = fixture.device.configure(group: 0, as: GroupConfiguration(workQueues: 7, engines: engines))
            _ = fixture.device.execute(.enableDevice)
        }
        guard fixture.device.state == .enabled else { return }
        for queue in 0..<3 where fixture.device.workQueues[queue].state == .disabled {
            _ = fixture.device.configure(workQueue: queue, as: configuration(ofQueue: queue))
            _ = fixture.device.execute(.enableWorkQueue(queue))
        }
    }

    private func answer(_ group: PageRequestGroup, _ code: PageResponseCode) {
        askedGroups.remove(group)
        let isAwaited = fixture.device.respond(to: group, with: code)
        #expect(isAwaited, "a request is awaited until it is answered or withdrawn; seed \(seed)")
    }

    func act() throws {
        switch UInt8.random(in: 0..<24, using: &generator) {
        case 0..<9 where nextSlot < 2000:
            let descriptor = randomDescriptor()
            let queue = Int.random(in: 0..<3, using: &generator)
            if chance(8) != (queue == 2) {
                fixture.device.post(descriptor, to: .of(queue))
            } else {
                _ = fixture.device.enqueue(descriptor, to: .of(queue, chance(2) ? .limited : .unlimited))
            }
        case 9..<13:
            fixture.stepWithThreads(Device.Budget(actions: Int.random(in: 1...20, using: &generator)))
        case 13, 14:
            if let ready = unsafe fixture.device.takeReadyWindow() {
                unsafe Transfer.run(&ready.window.pointee)
                windowsOut.append(unsafe ready.engine)
            }
        case 15, 16:
            guard let index = windowsOut.indices.randomElement(using: &generator) else { break }
            fixture.finishWindow(engine: windowsOut.remove(at: index))
        case 17:
            let engine = Int.random(in: 0..<fixture.device.profile.engineCount, using: &generator)
            fixture.device.setHold(chance(3), engine: engine)
        case 18:
            guard chance(3) else { break }
            switch fixture.device.execute(randomCommand()) {
            case .active: isCommandActive = true
            case .lost: #expect(isCommandActive, "seed \(seed)")
            case .completed: break
            }
        case 19:
            // Also while it is there, or is not.
            let page = chance(7) ? 196 : Int.random(in: 190...195, using: &generator)
            if chance(2) { try fixture.unmap(page: page) } else { try fixture.map(page: page, writable: !chance(3)) }
        case 20, 21:
            if let group = askedGroups.sorted(by: { $0.rawValue < $1.rawValue }).randomElement(using: &generator) {
                answer(group, chance(20) ? .responseFailure : chance(3) ? .invalidRequest : .success)
            } else {
                let group = PageRequestGroup(truncating: Int.random(in: 0...70, using: &generator))
                let isAwaited = fixture.device.respond(to: group, with: .success)
                #expect(!isAwaited, "seed \(seed)")
            }
        default:
            if chance(3) { restore() }
            drainTokens.insert(nextToken)
            fixture.device.drain(chance(2) ? .pasid(randomPASID) : .all, token: nextToken)
            nextToken += 1
        }
        takeEffects()
    }

    private func takeEffects() {
        for effect in fixture.device.effects {
            switch effect {
            case .commandCompleted(let error):
                #expect(error == .none && isCommandActive, "seed \(seed)")
                isCommandActive = false
            case .drained(let token):
                #expect(drainTokens.remove(token) != nil, "a drain ends once; seed \(seed)")
            case .interrupt(let interrupt):
                let owner = DeviceFixture.pasids[Int(interrupt.vector.index) - 1]
                #expect(interrupt.pasid == owner, "D-10, seed \(seed)")
            case .pageRequest(let request):
                #expect(hasPageRequests, "seed \(seed)")
                let isNew = askedGroups.insert(request.group).inserted
                #expect(isNew, "a group has one request; seed \(seed)")
            case .pageRequestWithdrawn(let group):
                #expect(askedGroups.remove(group) != nil, "seed \(seed)")
            case .softwareError, .interruptHandlesVoided, .injected, .functionReset:
                break
            }
        }
        fixture.device.effects.removeAll()
    }

    func check() {
        let interface = fixture.device.pageRequests
        #expect(interface.outstandingCount == askedGroups.count, "seed \(seed)")
        #expect(interface.outstandingCount <= fixture.device.function.pageRequestAllocation, "seed \(seed)")
        #expect(Set(fixture.device.outstandingPageRequests.map(\.group)) == askedGroups, "seed \(seed)")
        for queue in 0..<3 {
            let account = fixture.account(of: queue)
            #expect(account.ended == account.accepted, "D-11, WQ \(queue), seed \(seed)")
            let size = Int(fixture.device.workQueues[queue].configuration.size)
            #expect(fixture.device.workQueues[queue].occupancy <= size, "D-02, seed \(seed)")
            if fixture.device.workQueues[queue].state == .disabled {
                #expect(fixture.device.workQueues[queue].occupancy == 0, "seed \(seed)")
                #expect(fixture.device.workQueues[queue].inProgress == 0, "seed \(seed)")
            }
        }
    }

    /// Lets everything end.
    func settle() {
        fixture.holdEngines(false)
        for _ in 0..<10_000 where fixture.hasWork {
            fixture.stepWithThreads()
            takeEffects()
            for group in askedGroups { answer(group, .invalidRequest) }
            while let ready = unsafe fixture.device.takeReadyWindow() {
                unsafe Transfer.run(&ready.window.pointee)
                windowsOut.append(unsafe ready.engine)
            }
            while let engine = windowsOut.popLast() { fixture.finishWindow(engine: engine) }
        }
        takeEffects()
        #expect(!fixture.hasWork, "seed \(seed)")
        #expect(drainTokens.isEmpty && !isCommandActive, "seed \(seed)")
        let counts = fixture.device.workQueues.reduce(into: WorkQueue.Counts.zero) { $0 += $1.counts }
        #expect(counts.accepted == counts.completed + counts.abandoned, "seed \(seed)")
        let written = (0..<nextSlot).count { fixture.status($0) != .none }
        #expect(fixture.device.recordCount == UInt64(written), "each record is written once; seed \(seed)")
        // A completed descriptor without a record has an unbound PASID.
        #expect(UInt64(written) <= counts.completed, "seed \(seed)")
    }
}

@Suite("Device at random")
struct DevicePropertyTests {
    @Test(arguments: PropertyScale.seeds(40))
    func `D-11: accepted is completed, abandoned and in flight at any time, and each one ends exactly once`(
        seed: UInt64
    ) throws {
        let driver = try DeviceDriver(seed: seed)
        for _ in 0..<1500 {
            try driver.act()
            driver.check()
        }
        driver.settle()
        driver.check()
    }
}
