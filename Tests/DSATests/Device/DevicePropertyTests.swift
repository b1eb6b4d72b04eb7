import DSA
import DSASpec
import IOMMU
import PCIe
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
        try fixture.enable([
            .shared(size: UInt16.random(in: 1...24, using: &generator), threshold: 8, priority: 6),
            .shared(size: 8, priority: 2), .dedicated(size: 6),
        ])
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
            for (index, configuration) in [
                WorkQueueConfiguration.shared(size: 12, threshold: 8, priority: 6), .shared(size: 8, priority: 2),
                .dedicated(size: 6),
            ].enumerated() {
                _ = fixture.device.configure(workQueue: index, as: configuration)
            }
            let engines: UInt64 = 1 << UInt64(fixture.device.profile.engineCount) - 1
            _ = fixture.device.configure(group: 0, as: GroupConfiguration(workQueues: 7, engines: engines))
            _ = fixture.device.execute(.enableDevice)
        }
        guard fixture.device.state == .enabled else { return }
        for queue in 0..<3 where fixture.device.workQueues[queue].state == .disabled {
            _ = fixture.device.configure(
                workQueue: queue, as: queue == 2 ? .dedicated(size: 6) : .shared(size: queue == 0 ? 12 : 8))
            _ = fixture.device.execute(.enableWorkQueue(queue))
        }
    }

    func act() {
        switch UInt8.random(in: 0..<20, using: &generator) {
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
            case .softwareError:
                break
            }
        }
        fixture.device.effects.removeAll()
    }

    func check() {
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
    @Test(arguments: UInt64(0)..<40)
    func `D-11: accepted is completed, abandoned and in flight at any time, and each one ends exactly once`(
        seed: UInt64
    ) throws {
        let driver = try DeviceDriver(seed: seed)
        for _ in 0..<1500 {
            driver.act()
            driver.check()
        }
        driver.settle()
        driver.check()
    }
}
