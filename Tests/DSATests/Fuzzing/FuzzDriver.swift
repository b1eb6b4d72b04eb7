import DSA
import DSASpec
import IOMMU
import PCIe
import TestKit
import Testing

/// A device that hostile clients share, and optionally a hostile driver owns, with what must hold of it after every
/// action.
final class FuzzDriver {
    let memory: FuzzMemory
    var device: Device
    /// Repeats the run.
    let seed: UInt64
    private(set) var mutator = DescriptorMutator()
    private var generator: SeededGenerator
    /// Clients may also write BAR0.
    private let ownsRegisters: Bool
    private let layout: RegisterLayout
    private var slot = 0
    private var windowsOut: [Int] = []
    private var askedGroups: [PageRequestGroup] = []

    init(seed: UInt64, ownsRegisters: Bool) throws {
        self.seed = seed
        self.ownsRegisters = ownsRegisters
        generator = SeededGenerator(seed: seed)
        memory = try FuzzMemory()
        let profile = Self.profile(seed: seed, using: &generator)
        device = Device(profile: profile, requester: FuzzMemory.requester)
        layout = profile.registerLayout
        if seed % 3 != 0 {
            let isTaken = device.setPageRequests(isEnabled: true, allocation: Int(seed % 4) + 1)
            #expect(isTaken)
        }
        restore()
    }

    private static func profile(seed: UInt64, using generator: inout SeededGenerator) -> DeviceProfile {
        var profile = seed % 2 == 0 ? DeviceProfile.dsa1 : .dsa2
        profile.engineCount = Int.random(in: 1...4, using: &generator)
        var capabilities = profile.general.rawValue
        // Readback addresses of Drain; CMDCAP; events are dropped while the log is full.
        if generator.oneIn(2) { capabilities |= 1 << 9 }
        if generator.oneIn(4) {
            capabilities |= 1 << 4
            profile.interruptHandleCount = 4
        }
        if seed % 2 == 1, generator.oneIn(2) { capabilities |= 1 << 32 }
        profile.general = GeneralCapabilities(rawValue: capabilities)
        if generator.oneIn(2) { profile.openPoints.abortedTransfer = .abandoned }
        if generator.oneIn(2) { profile.openPoints.difTransferSize = .anySize }
        return profile
    }
}

// MARK: Configuration

extension FuzzDriver {
    private func configuration(ofQueue queue: Int) -> WorkQueueConfiguration {
        var configuration: WorkQueueConfiguration =
            switch queue {
            case 0: .shared(size: 12, threshold: 8, priority: 6)
            case 1: .shared(size: 8, priority: 2)
            case 2: .dedicated(size: 6, pasid: FuzzMemory.pasids[0])
            default: .dedicated(size: 4, pasid: nil)
            }
        configuration.blockOnFaultEnable = device.function.isPageRequestEnabled && queue != 1
        configuration.maximumBatchShift = 5
        return configuration
    }

    /// Configures and enables what a command disabled, as a driver that knows what it does.
    private func restore() {
        if device.state == .disabled {
            for queue in 0..<8 {
                _ = device.configure(
                    workQueue: queue, as: queue < 4 ? configuration(ofQueue: queue) : WorkQueueConfiguration())
            }
            let engines: UInt64 = 1 << UInt64(device.profile.engineCount) - 1
            for group in 0..<4 {
                _ = device.configure(
                    group: group,
                    as: group == 0
                        ? GroupConfiguration(workQueues: 0xF, engines: engines) : GroupConfiguration())
                _ = device.configure(group: group, flags: device.profile.powerOnGroupFlags)
            }
            _ = device.configure(device.profile.powerOnConfiguration)
            _ = device.enableUserInterrupts(true)
            if device.profile.general.eventLogEntryByteCount != nil {
                var log = EventLogConfiguration()
                log.isPASIDEnabled = true
                log.pasid = FuzzMemory.pasids[0]
                log.base = LinearAddress(rawValue: FuzzMemory.base + 10 * 4096)
                log.size = EventLogConfiguration.sizeMin
                _ = device.configure(log)
                _ = device.enableEventLog(true)
            }
            for (index, pasid) in FuzzMemory.pasids.enumerated().dropLast() {
                let record = InterruptPermission(pasid: pasid, isIgnored: false).rawValue
                device.writeInterruptRegister(.permissions, dword: (index + 1) * 2, value: record)
                device.writeInterruptRegister(.messages, dword: (index + 1) * 4 + 3, value: 0)
            }
            _ = device.execute(.enableDevice)
        }
        guard device.state == .enabled else { return }
        for queue in 0..<4 where device.workQueues[queue].state == .disabled {
            _ = device.configure(workQueue: queue, as: configuration(ofQueue: queue))
            _ = device.execute(.enableWorkQueue(queue))
        }
    }
}

// MARK: Actions

extension FuzzDriver {
    /// One action of a client, an owner of an address space, the driver, or time.
    func act() throws {
        switch generator.next() % 28 {
        case 0..<11: submit()
        case 11...13: step(actions: Int.random(in: 1...12, using: &generator))
        case 14: runWindow()
        case 15: finishWindow()
        case 16, 17: writeList()
        case 18:
            memory.write(
                generator.bytes(8), at: Int.random(in: (4 * 4096)..<(20 * 4096), using: &generator), of: space())
        case 19:
            try memory.setPage(
                Int.random(in: 12...16, using: &generator), of: space(), isMapped: !generator.oneIn(3))
            device.invalidateTranslations(.global)
        case 20: command()
        case 21, 22: respond()
        case 23:
            device.clearSoftwareError()
            advanceLog(by: UInt16.random(in: 0...70, using: &generator))
        case 24: device.setHold(generator.oneIn(3), engine: Int(generator.next() % UInt64(device.profile.engineCount)))
        default:
            guard ownsRegisters else {
                if generator.oneIn(3) { restore() }
                break
            }
            for _ in 0..<4 { accessRegister() }
            if generator.oneIn(60) { recover() }
        }
        takeEffects()
    }

    private func space() -> Int { generator.oneIn(3) ? 1 : 0 }

    private func submit() {
        slot = (slot + 1) % 120
        let space = space()
        let record = FuzzMemory.base + UInt64(slot * 32)
        memory.write([UInt8](repeating: 0, count: 32), at: slot * 32, of: space)
        var descriptor = mutator.next(using: &generator, recordAt: record)
        descriptor.word0 &= ~0xFFFFF
        descriptor.word0 |= generator.oneIn(40) ? 0x5_5555 : UInt64(FuzzMemory.pasids[space].rawValue)
        if generator.oneIn(30) { descriptor.word0 ^= 1 << 31 }
        let portal = Portal(
            workQueue: Int(generator.next() % 5), limit: generator.oneIn(2) ? .limited : .unlimited,
            interruptTable: generator.oneIn(4) ? .ims : .msix)
        guard device.enqueue(descriptor, to: portal) == .successfulCompletion else {
            device.post(descriptor, to: portal)
            return
        }
        guard generator.oneIn(2) else { return }
        for _ in 0..<40 {
            guard device.step(iommu: &memory.iommu, memory: memory.memory) else { break }
        }
        guard let status = memory.byte(at: record, of: space), status != 0 else { return }
        mutator.note(descriptor, status: status, result: memory.byte(at: record + 1, of: space) ?? 0)
    }

    /// Writes members of batches where the mutator's batches begin, also while the device reads them.
    private func writeList() {
        let space = space()
        let start = 8 * 4096 + Int(generator.next() % 64) * 64
        let count = Int.random(in: 1...12, using: &generator)
        for index in 0..<count {
            var member = mutator.next(
                using: &generator, recordAt: FuzzMemory.base + 4096 + UInt64(index * 32))
            if generator.oneIn(4) { member.flags.insert(.fence) }
            memory.write(member.bytes, at: start + index * 64, of: space)
        }
    }

    private func step(actions: Int) {
        _ = device.step(
            iommu: &memory.iommu, memory: memory.memory, budget: Device.Budget(actions: actions, bytes: 8192),
            runsInline: generator.oneIn(2))
    }

    private func runWindow() {
        guard let ready = unsafe device.takeReadyWindow() else { return }
        unsafe Transfer.run(&ready.window.pointee)
        windowsOut.append(unsafe ready.engine)
    }

    private func finishWindow() {
        guard let index = windowsOut.indices.randomElement(using: &generator) else { return }
        device.finishWindow(engine: windowsOut.remove(at: index), iommu: &memory.iommu, memory: memory.memory)
    }

    private func command() {
        guard generator.oneIn(2) else { return }
        let mask = generator.next() & 0x1F
        let pasid = FuzzMemory.pasids[Int(generator.next() % 3)]
        let commands: [DeviceCommand] = [
            .drainAll, .abortAll, .drainWorkQueues(mask), .abortWorkQueues(mask), .drainPASID(pasid),
            .abortPASID(pasid), .disableWorkQueues(mask), .resetWorkQueues(mask), .disableDevice, .resetDevice,
            .enableDevice, .enableWorkQueue(Int(mask)),
        ]
        _ = device.execute(commands.randomElement(using: &generator)!, requestsInterrupt: generator.oneIn(2))
    }

    private func respond() {
        if generator.oneIn(6) {
            let group = PageRequestGroup(truncating: Int(generator.next() & 0xFF))
            let isAwaited = device.respond(to: group, with: .success)
            #expect(isAwaited == askedGroups.contains(group), "seed \(seed)")
            askedGroups.removeAll { $0 == group }
            return
        }
        guard let index = askedGroups.indices.randomElement(using: &generator) else { return }
        let codes: [PageResponseCode] = [.success, .success, .invalidRequest]
        let code = generator.oneIn(50) ? .responseFailure : codes.randomElement(using: &generator)!
        _ = device.respond(to: askedGroups.remove(at: index), with: code)
    }

    private func advanceLog(by count: UInt16) {
        var status = EventLogStatus()
        status.head = generator.oneIn(8) ? UInt16(truncatingIfNeeded: generator.next()) : count
        device.write(status)
    }

    /// Any size at any offset, most often where something is.
    private func accessRegister() {
        let size = [1, 2, 4, 4, 8, 8, 3, 16].randomElement(using: &generator)!
        var offset: Int
        switch generator.next() % 8 {
        case 0: offset = Int.random(in: -16..<layout.byteCount + 16, using: &generator)
        case 1: offset = layout.tables.workQueueConfiguration + Int(generator.next() % 512)
        case 2: offset = layout.tables.groupConfiguration + Int(generator.next() % 256)
        case 3:
            let range = InterruptRegisters.allCases.randomElement(using: &generator)!
            offset = layout.offset(of: range) + Int(generator.next() % 160)
        case 4: offset = Register.command.offset
        default: offset = Register.allCases.randomElement(using: &generator)!.offset + Int(generator.next() % 32)
        }
        if !generator.oneIn(10), [1, 2, 4, 8].contains(size) { offset &= ~(size - 1) }
        var value = generator.oneIn(2) ? generator.next() : generator.next() & 0xFF
        if offset == Register.command.offset, !generator.oneIn(4) {
            value = generator.next() % 20 << 20 | (generator.oneIn(2) ? generator.next() & 0x1F : 0)
        }
        let isLegal = [1, 2, 4, 8].contains(size) && offset >= 0 && offset < layout.byteCount && offset % size == 0
        do throws(RegisterAccessError) {
            if generator.oneIn(3) {
                _ = try device.readRegister(at: offset, byteCount: size)
            } else {
                try device.writeRegister(at: offset, byteCount: size, value: value)
            }
            #expect(isLegal, "\(size) bytes at \(offset), seed \(seed)")
        } catch {
            #expect(!isLegal, "\(size) bytes at \(offset), seed \(seed)")
        }
    }

    /// A halt or a reset from outside, then a driver that begins anew.
    private func recover() {
        if generator.oneIn(3) { device.halt(until: HaltReset.allCases.randomElement(using: &generator)!) }
        if generator.oneIn(2) {
            device.resetFunction(
                by: [.functionLevel, .warm, .cold].randomElement(using: &generator)!, restoring: device.function)
        } else {
            _ = device.execute(.resetDevice)
        }
        restore()
    }

    private func takeEffects() {
        for effect in device.effects {
            switch effect {
            case .pageRequest(let request): askedGroups.append(request.group)
            case .pageRequestWithdrawn(let group): askedGroups.removeAll { $0 == group }
            case .interrupt(let interrupt) where !ownsRegisters:
                let owner = interrupt.vector.index == 0 ? nil : FuzzMemory.pasids[Int(interrupt.vector.index) - 1]
                #expect(interrupt.pasid == owner, "D-10, seed \(seed)")
            case .interrupt, .softwareError, .commandCompleted, .drained, .interruptHandlesVoided, .functionReset,
                .injected:
                break
            }
        }
        device.effects.removeAll(keepingCapacity: true)
    }
}

// MARK: What must hold

extension FuzzDriver {
    /// After every action.
    func check() {
        #expect(memory.isIntact, "memory that no descriptor may write; seed \(seed)")
        for queue in device.workQueues.indices {
            let item = device.workQueues[queue]
            let ended = item.counts.completed + item.counts.abandoned
            #expect(
                ended + UInt64(item.occupancy + item.inProgress) == item.counts.accepted,
                "D-11, WQ \(queue), seed \(seed)")
            // The size of a disabled WQ may be written, and nothing is stored there.
            let size = item.state == .disabled ? 0 : Int(item.configuration.size)
            #expect(item.occupancy <= size, "D-02, WQ \(queue), seed \(seed)")
        }
        // Software that owns the registers may leave a log of another size behind.
        if !ownsRegisters {
            #expect(device.eventLogStatus.tail < EventLogConfiguration.sizeMin, "seed \(seed)")
        }
        #expect(device.pageRequests.outstandingCount == askedGroups.count, "seed \(seed)")
    }

    /// Lets everything end: nothing that was accepted stays, and no command.
    func settle() {
        for engine in 0..<device.profile.engineCount { device.setHold(false, engine: engine) }
        for _ in 0..<2000 where device.hasWork {
            _ = device.step(iommu: &memory.iommu, memory: memory.memory)
            takeEffects()
            while let group = askedGroups.popLast() { _ = device.respond(to: group, with: .invalidRequest) }
            while let ready = unsafe device.takeReadyWindow() {
                unsafe Transfer.run(&ready.window.pointee)
                windowsOut.append(unsafe ready.engine)
            }
            while let engine = windowsOut.popLast() {
                device.finishWindow(engine: engine, iommu: &memory.iommu, memory: memory.memory)
            }
            var status = EventLogStatus()
            status.head = device.eventLogStatus.tail
            device.write(status)
        }
        takeEffects()
        #expect(device.hasWork == false, "seed \(seed)")
        #expect(device.commandStatus.isActive == false, "a command ends; seed \(seed)")
        check()
    }
}
