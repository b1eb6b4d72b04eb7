import DSASpec
import IOMMU
import PCIe
import TestKit
import Testing
import Virtualization

@testable import DSA
@testable import Machine

/// A binding as the driver of the machine knows it.
private struct ModelBinding {
    enum State: Equatable {
        case prepared
        case bound
        /// Bound, and prepared for a further device.
        case arriving(device: Int)
        /// `nil`: from all devices.
        case unbinding(device: Int?)
        case drained
        case departed
    }

    let token: BindingToken
    let ioasid: HostPASID
    var devices: Set<Int>
    var state = State.prepared

    /// Whether a processor may emit the PASID.
    var isEmitted: Bool {
        switch state {
        case .bound, .arriving, .departed: true
        case .unbinding(let device): device != nil
        case .prepared, .drained: false
        }
    }

    func hasEntry(_ device: Int) -> Bool {
        switch state {
        case .prepared, .drained: false
        case .bound, .arriving, .unbinding, .departed: devices.contains(device)
        }
    }
}

/// A process or VM, and what it was promised.
private final class ModelSpace {
    let client: Client
    let tag: UInt64
    let isGuest: Bool
    let quota: UInt32
    /// By guest PASID; a process's is under 0.
    var bindings: [UInt32: ModelBinding] = [:]
    /// The fills that were accepted.
    var accepted: Set<UInt64> = []

    init(_ client: Client, tag: UInt64, isGuest: Bool, quota: UInt32) {
        self.client = client
        self.tag = tag
        self.isGuest = isGuest
        self.quota = quota
        for word in 0..<UInt64(26 * 512) { client.ram[20 * 4096 + word * 8] = tag << 48 }
    }
}

/// A machine driven at random beside a model of it.
private final class World {
    static let hostQuota: UInt32 = 20
    static let guestPASIDs: [UInt32] = [0, 7, 0x7_FFFF, 0x8_0007]

    let fixture: MachineFixture
    let seed: UInt64
    private var generator: SeededGenerator
    private var spaces: [ModelSpace] = []
    private var nextTag: UInt64 = 1
    private var nextSerial: UInt64 = 1
    private var windows: [Machine.ReadyWindow] = []
    private let initialFrames: Int
    private let initialAvailable: UInt32
    private(set) var step = 0
    /// How often each kind of thing happened, so that the test can tell that it tested something.
    private(set) var drainedCount = 0
    private(set) var acceptedCount = 0

    init(seed: UInt64) throws {
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        fixture = try MachineFixture(deviceCount: 2, engineCount: 2, hostQuota: Self.hostQuota)
        initialFrames = fixture.memory.frameCountInUse
        initialAvailable = fixture.machine.ioasids.available
    }

    private var place: String { "seed \(seed), step \(step)" }

    private func chance(_ count: UInt64) -> Bool { generator.oneIn(count) }

    // MARK: Actions

    func act() throws {
        step += 1
        switch UInt8.random(in: 0..<40, using: &generator) {
        case 0: try makeSpace()
        case 1: destroySpace()
        case 2..<8: try prepareOrAdvance()
        case 8..<11: beginUnbind()
        case 11: completeUnbinds()
        case 12..<26: try submit()
        case 26..<32:
            _ = fixture.machine.step(
                budget: Device.Budget(actions: Int.random(in: 1...12, using: &generator)), runsInline: false)
        case 32, 33: if let window = fixture.takeWindow() { windows.append(window) }
        case 34, 35: finishOneWindow()
        case 36, 37:
            fixture.machine.setHold(
                chance(3), engine: Int.random(in: 0..<2, using: &generator),
                device: Int.random(in: 0..<2, using: &generator))
        case 38:
            let ioasid = spaces.flatMap(\.bindings.values).map(\.ioasid).randomElement(using: &generator)
            if chance(4), let ioasid {
                _ = fixture.machine.execute(.abortPASID(ioasid), device: Int.random(in: 0..<2, using: &generator))
            }
        default:
            if chance(10) { _ = fixture.machine.execute(.abortAll, device: Int.random(in: 0..<2, using: &generator)) }
        }
        takeEffects()
    }

    private func makeSpace() throws {
        guard spaces.count < 6 else { return }
        let isGuest = chance(2)
        let quota = UInt32.random(in: 1...4, using: &generator)
        let client =
            isGuest ? try fixture.makeGuest(quota: quota, pageCount: 100) : try fixture.makeProcess(pageCount: 100)
        spaces.append(ModelSpace(client, tag: nextTag, isGuest: isGuest, quota: quota))
        nextTag += 1
    }

    private func destroySpace() {
        guard let index = spaces.indices.filter({ spaces[$0].bindings.isEmpty }).randomElement(using: &generator) else {
            return
        }
        destroy(spaces.remove(at: index))
    }

    private func destroy(_ space: ModelSpace) {
        checkMemory(of: space)
        let client = space.client
        #expect(fixture.machine.hasBinding(client.space) == false, "\(place)")
        let isLast = fixture.machine.removeProcessor(client.processor)
        #expect(isLast, "\(place)")
        for mapping in fixture.machine.mappings(of: client.space) {
            let error = machineError { () throws(MachineError) in
                _ = try fixture.machine.unmap(startingAt: mapping.start, from: client.space)
            }
            #expect(error == nil, "\(place)")
        }
        if space.isGuest {
            fixture.machine.removeVM(client.vm)
        } else {
            fixture.machine.removeProcess(client.process)
        }
        fixture.memory.removeRegion(at: client.ram.start)
    }

    /// Prepares a binding, or one's extension to the other device, and publishes or abandons them.
    private func prepareOrAdvance() throws {
        guard let space = spaces.randomElement(using: &generator) else { return }
        let key = space.isGuest ? Self.guestPASIDs.randomElement(using: &generator)! : 0
        let device = Int.random(in: 0..<2, using: &generator)
        if case .prepared? = space.bindings[key]?.state, let token = space.bindings[key]?.token {
            if chance(4) {
                fixture.machine.abandonBinding(token)
                space.bindings[key] = nil
            } else {
                try fixture.machine.publishBinding(token)
                space.bindings[key]?.state = .bound
            }
            return
        }
        if case .arriving(let device)? = space.bindings[key]?.state, let token = space.bindings[key]?.token {
            if chance(4) {
                fixture.machine.abandonBinding(token)
            } else {
                try fixture.machine.publishBinding(token)
                space.bindings[key]?.devices.insert(device)
            }
            space.bindings[key]?.state = .bound
            return
        }
        let expected: MachineError?
        switch space.bindings[key]?.state {
        case nil: expected = isQuotaUsed(of: space) ? .ioasid(.noSpace) : nil
        case .bound: expected = space.bindings[key]!.devices.contains(device) ? .alreadyBound : nil
        default: expected = .bindingInProgress
        }
        var start: BindingStart?
        let error = machineError { () throws(MachineError) in
            start =
                space.isGuest
                ? try fixture.prepare(.guest(key), of: space.client, device: device)
                : try fixture.machine.prepareBinding(ofProcess: space.client.process, device: device)
        }
        #expect(error == expected, "\(place)")
        switch start {
        case .prepared(let token, let ioasid)?:
            #expect(!isInUse(ioasid), "I-04, \(place)")
            space.bindings[key] = ModelBinding(token: token, ioasid: ioasid, devices: [device])
        case .extending(let token, let ioasid)?:
            #expect(space.bindings[key]?.ioasid == ioasid && space.bindings[key]?.token == token, "\(place)")
            space.bindings[key]?.state = .arriving(device: device)
        case nil:
            break
        }
    }

    private func isQuotaUsed(of space: ModelSpace) -> Bool {
        if space.isGuest { return space.bindings.count == Int(space.quota) }
        return spaces.count { !$0.isGuest && !$0.bindings.isEmpty } == Int(Self.hostQuota)
    }

    private func isInUse(_ ioasid: HostPASID) -> Bool {
        spaces.contains { $0.bindings.values.contains { $0.ioasid == ioasid } }
    }

    private func beginUnbind() {
        guard let space = spaces.randomElement(using: &generator) else { return }
        let key = space.isGuest ? Self.guestPASIDs.randomElement(using: &generator)! : 0
        let device = chance(2) ? nil : Int.random(in: 0..<2, using: &generator)
        let binding = space.bindings[key]
        let expected: MachineError?
        switch binding?.state {
        case nil: expected = .notBound
        case .bound: expected = device.map { binding!.devices.contains($0) } ?? true ? nil : .notBound
        case .prepared, .arriving, .drained, .unbinding, .departed: expected = .bindingInProgress
        }
        var start: UnbindingStart?
        let error = machineError { () throws(MachineError) in
            start =
                space.isGuest
                ? try fixture.machine.beginUnbind(ofGuest: .guest(key), inVM: space.client.vm, device: device)
                : try fixture.machine.beginUnbind(ofProcess: space.client.process, device: device)
        }
        #expect(error == expected, "\(place)")
        switch start {
        case .unbinding(let token, _)?:
            #expect(token == binding?.token, "\(place)")
            space.bindings[key]?.state = .unbinding(device: nil)
        case .departing(let token, _)?:
            #expect(token == binding?.token && binding?.devices.count == 2, "\(place)")
            space.bindings[key]?.state = .unbinding(device: device)
        case nil:
            break
        }
    }

    private func completeUnbinds() {
        for space in spaces {
            for (key, binding) in space.bindings {
                switch binding.state {
                case .drained:
                    fixture.machine.completeUnbind(binding.token)
                    space.bindings[key] = nil
                case .departed:
                    fixture.machine.completeUnbind(binding.token)
                    space.bindings[key]?.state = .bound
                default:
                    break
                }
            }
        }
    }

    private func submit() throws {
        guard let space = spaces.randomElement(using: &generator) else { return }
        let key = space.isGuest ? Self.guestPASIDs.randomElement(using: &generator)! : 0
        let device = Int.random(in: 0..<2, using: &generator)
        let client = space.client
        let serial = nextSerial
        nextSerial += 1
        let pattern = space.tag << 48 | serial
        let slot = Int(serial % 128)
        let descriptor =
            chance(6)
            ? fixture.move(from: client.page(20), to: client.page(60), size: 100 << 10, record: slot)
            : fixture.fill(pattern, at: client.page(1) + serial % 512 * 8, size: 8, record: slot)
        if chance(10) {
            // To the DWQ, which has no PASID: it counts, and can reach nothing.
            _ = fixture.submit(.movdir64b, descriptor, on: client.processor, to: .dedicated(device))
            return
        }
        if space.isGuest { try fixture.setPASID(.guest(key), on: client) }
        let hasRoom = fixture.queue(0, device: device).occupancy < 12
        let outcome = fixture.enqcmd(descriptor, on: client, to: .shared(device))
        guard let binding = space.bindings[key], binding.isEmitted else {
            switch outcome {
            case .skipped(let exit, let guestPASID):
                #expect(space.isGuest && exit.reason == .enqcmd && guestPASID == .guest(key), "\(place)")
            default:
                #expect(!space.isGuest && outcome == .generalProtection(.invalidPASIDRegister), "\(place)")
            }
            return
        }
        #expect(outcome == (hasRoom ? .accepted : .retry), "\(place)")
        guard hasRoom else { return }
        acceptedCount += 1
        space.accepted.insert(pattern)
        let isTranslated = fixture.queue(0, device: device).contains {
            $0.descriptor == descriptor.command(binding.ioasid)
        }
        #expect(isTranslated, "V-02: it carries the PASID that was bound at its acceptance; \(place)")
    }

    private func finishOneWindow() {
        guard let index = windows.indices.randomElement(using: &generator) else { return }
        let window = windows.remove(at: index)
        window.run()
        fixture.machine.finishWindow(device: window.device, engine: window.engine)
    }

    private func takeEffects() {
        let tokens = fixture.takeDrainedTokens()
        fixture.machine.effects.removeAll()
        for token in tokens {
            drainedCount += 1
            let owner = spaces.first { $0.bindings.values.contains { $0.token == token } }
            guard let owner, let (key, binding) = owner.bindings.first(where: { $0.value.token == token }),
                case .unbinding(let device) = binding.state
            else {
                Issue.record("an unbind drained that nobody began, or twice; \(place)")
                continue
            }
            if let device {
                owner.bindings[key]?.devices.remove(device)
                owner.bindings[key]?.state = .departed
            } else {
                owner.bindings[key]?.state = .drained
            }
        }
    }

    // MARK: Checks

    func check() {
        let totals = fixture.machine.totals
        #expect(
            totals.accepted == totals.completed + totals.abandoned + fixture.machine.inFlight, "D-11, \(place)")
        let quotas = spaces.reduce(Self.hostQuota) { $0 + ($1.isGuest ? $1.quota : 0) }
        #expect(
            fixture.machine.ioasids.available + quotas == fixture.machine.ioasids.capacity, "I-01, \(place)")
        let bindings = spaces.flatMap(\.bindings.values)
        #expect(fixture.machine.boundCount == bindings.count, "\(place)")
        #expect(fixture.machine.ioasids.allocatedCount == UInt32(bindings.count), "\(place)")
        for binding in bindings {
            for device in 0..<2 {
                #expect(fixture.hasEntry(binding.ioasid, device: device) == binding.hasEntry(device), "\(place)")
                guard binding.state == .drained else { continue }
                let isHeld = fixture.machine.devices[device].holds(.pasid(binding.ioasid), upTo: .max)
                #expect(!isHeld, "D-08: no descriptor of a PASID outlives its drain; \(place)")
            }
        }
        if step % 25 == 0 { spaces.forEach(checkMemory) }
    }

    /// M-01: whatever was written carries the space's own tag and was accepted from it.
    private func checkMemory(of space: ModelSpace) {
        for word in 0..<UInt64(512) {
            let value = space.client.ram[4096 + word * 8]
            #expect(value == 0 || space.accepted.contains(value), "M-01, \(place)")
        }
        var foreign = 0
        for word in 0..<UInt64(26 * 512) {
            let value = space.client.ram[60 * 4096 + word * 8]
            if value != 0, value != space.tag << 48 { foreign += 1 }
        }
        #expect(foreign == 0, "M-01, \(place)")
    }

    /// Ends everything. Nothing may be left.
    func settle() throws {
        for device in 0..<2 { fixture.holdEngines(false, device: device) }
        for _ in 0..<10_000 where fixture.machine.inFlight > 0 {
            _ = fixture.machine.step(runsInline: false)
            while let window = fixture.takeWindow() { windows.append(window) }
            while !windows.isEmpty { finishOneWindow() }
            takeEffects()
        }
        #expect(fixture.machine.inFlight == 0, "\(place)")
        check()
        completeUnbinds()
        for space in spaces {
            for (key, binding) in space.bindings {
                switch binding.state {
                case .prepared:
                    fixture.machine.abandonBinding(binding.token)
                    space.bindings[key] = nil
                default:
                    if case .arriving = binding.state {
                        fixture.machine.abandonBinding(binding.token)
                    } else {
                        #expect(binding.state == .bound, "\(place)")
                    }
                    if space.isGuest {
                        try fixture.unbind(.guest(key), of: space.client)
                    } else {
                        try fixture.unbind(space.client)
                    }
                    space.bindings[key] = nil
                }
            }
        }
        while let space = spaces.popLast() { destroy(space) }
        #expect(fixture.memory.frameCountInUse == initialFrames, "frames leaked; \(place)")
        #expect(fixture.machine.ioasids.available == initialAvailable, "\(place)")
        #expect(fixture.machine.ioasids.allocatedCount == 0, "\(place)")
        #expect(fixture.machine.boundCount == 0, "\(place)")
        #expect(fixture.machine.ioasids.violatedInvariant() == nil, "\(place)")
    }
}

@Suite("Machine at random")
struct MachinePropertyTests {
    @Test(arguments: PropertyScale.seeds(24))
    func `Processes and VMs that come, bind, submit, unbind and go never reach each other and leave nothing`(
        seed: UInt64
    ) throws {
        let world = try World(seed: seed)
        for _ in 0..<1500 {
            try world.act()
            world.check()
        }
        try world.settle()
        #expect(world.drainedCount > 10 && world.acceptedCount > 50, "seed \(seed) tested too little")
    }
}
