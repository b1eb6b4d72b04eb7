import DSA
import DSASpec
import PCIe
import TestKit
import Testing
import Virtualization

@testable import Machine

/// Processes that bind, claim, submit and leave at random, on two devices whose driver masks and resets at random.
private final class InterruptWorld {
    private final class Member {
        let client: Client
        var pasid: HostPASID?
        var devices: Set<Int> = []
        /// Under way: no claim, no second unbind.
        var unbinding: BindingToken?

        init(_ client: Client) {
            self.client = client
        }
    }

    let fixture: MachineFixture
    let seed: UInt64
    private var generator: SeededGenerator
    private var members: [Member] = []
    /// The claims in force.
    private var claims: [ClaimedInterrupt] = []
    private(set) var interruptCount = 0
    private(set) var revocationCount = 0
    private(set) var refusalCount = 0

    init(seed: UInt64) throws {
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        fixture = try MachineFixture(deviceCount: 2, engineCount: 2)
        for device in 0..<2 { try enable(device) }
        fixture.machine.effects.removeAll()
        for _ in 0..<4 { members.append(Member(try fixture.makeProcess())) }
    }

    private func enable(_ device: Int) throws {
        if fixture.machine.devices[device].state == .enabled {
            try #require(fixture.machine.execute(.disableDevice, device: device) == .completed(.none))
        }
        try #require(fixture.machine.enableUserInterrupts(true, device: device) == true)
        try fixture.configure(device)
        for command in [DeviceCommand.enableDevice, .enableWorkQueue(0)] {
            try #require(fixture.machine.execute(command, device: device) == .completed(.none))
        }
    }

    func act() throws {
        let member = try #require(members.randomElement(using: &generator))
        let device = Int.random(in: 0...1, using: &generator)
        switch Int.random(in: 0..<40, using: &generator) {
        case 0..<4: try bind(member, to: device)
        case 4: try beginUnbind(member)
        case 5..<10: claim(for: member, on: device)
        case 10..<12: release()
        case 12..<14: toggleMask()
        case 14..<16: fixture.holdEngines(generator.oneIn(3), device: device)
        case 16 where generator.oneIn(4): try reset(device)
        case 17..<30: submit(member, to: device)
        default: _ = fixture.machine.step(budget: Device.Budget(actions: Int.random(in: 1...6, using: &generator)))
        }
        try takeEffects()
        check()
    }

    private func bind(_ member: Member, to device: Int) throws {
        guard member.unbinding == nil, !member.devices.contains(device) else { return }
        member.pasid = try fixture.bind(member.client, device: device)
        member.devices.insert(device)
    }

    private func beginUnbind(_ member: Member) throws {
        guard member.unbinding == nil, !member.devices.isEmpty else { return }
        let whole = member.devices.count == 1 || generator.oneIn(2)
        let device = whole ? nil : member.devices.randomElement(using: &generator)
        switch try fixture.machine.beginUnbind(ofProcess: member.client.process, device: device) {
        case .unbinding(let token, _):
            member.unbinding = token
            member.devices = []
        case .departing(let token, _):
            member.unbinding = token
            if let device { member.devices.remove(device) }
        }
    }

    private func claim(for member: Member, on device: Int) {
        let table: Portal.InterruptTable = generator.oneIn(3) ? .ims : .msix
        do throws(MachineError) {
            let claim = try fixture.machine.claimInterrupt(
                in: table, ofDevice: device, forProcess: member.client.process)
            #expect(member.unbinding == nil && member.devices.contains(device), "seed \(seed)")
            #expect(claim.ioasid == member.pasid, "seed \(seed)")
            #expect(!claims.contains { $0.device == device && $0.vector == claim.vector }, "seed \(seed)")
            claims.append(claim)
        } catch {
            let isFull = claims.count { $0.device == device && $0.vector.table == .msix } == 8
            let isBound = member.unbinding == nil && member.devices.contains(device)
            #expect(error == .noInterrupt ? isFull && isBound : !isBound, "\(error), seed \(seed)")
        }
    }

    private func release() {
        guard let index = claims.indices.randomElement(using: &generator) else { return }
        fixture.machine.releaseInterrupt(claims.remove(at: index))
    }

    private func toggleMask() {
        guard let claim = claims.randomElement(using: &generator), claim.vector.table == .msix else { return }
        fixture.machine.devices[claim.device].writeInterruptRegister(
            .messages, dword: Int(claim.vector.index) * 4 + 3, value: generator.oneIn(2) ? 1 : 0)
        _ = fixture.machine.collectEffects(ofDevice: claim.device)
    }

    private func reset(_ device: Int) throws {
        fixture.holdEngines(false, device: device)
        fixture.run()
        try takeEffects()
        try #require(fixture.machine.execute(.resetDevice, device: device) == .completed(.none))
        try takeEffects()
        #expect(!claims.contains { $0.device == device }, "seed \(seed)")
        try enable(device)
    }

    private func submit(_ member: Member, to device: Int) {
        var descriptor = fixture.noOp(record: nil)
        descriptor.flags.insert(.requestCompletionInterrupt)
        let own = claims.filter { $0.ioasid == member.pasid && $0.device == device && $0.vector.table == .msix }
        let guess = UInt16.random(in: 0...9, using: &generator)
        descriptor.completionInterruptHandle = own.randomElement(using: &generator)?.handle ?? guess
        if generator.oneIn(3) { descriptor.completionInterruptHandle = guess }
        _ = fixture.enqcmd(descriptor, on: member.client, to: .shared(device))
    }

    private func takeEffects() throws {
        for effect in fixture.machine.effects {
            switch effect {
            case .interrupt(let device, let interrupt):
                interruptCount += 1
                let owner = claims.first { $0.device == device && $0.vector == interrupt.vector }
                #expect(interrupt.pasid != nil && owner?.ioasid == interrupt.pasid, "D-10, seed \(seed)")
            case .interruptRevoked(let claim):
                revocationCount += 1
                let index = try #require(claims.firstIndex(of: claim), "a claim in force; seed \(seed)")
                claims.remove(at: index)
            case .unbindDrained(let token):
                let member = try #require(members.first { $0.unbinding == token }, "seed \(seed)")
                #expect(
                    !claims.contains { $0.ioasid == member.pasid && !member.devices.contains($0.device) },
                    "D-08, seed \(seed)")
                fixture.machine.completeUnbind(token)
                member.unbinding = nil
                if member.devices.isEmpty { member.pasid = nil }
            case .softwareError(let device, let error):
                if error.code == .invalidInterruptHandle { refusalCount += 1 }
                fixture.machine.clearSoftwareError(device: device)
            default:
                break
            }
        }
        fixture.machine.effects.removeAll()
    }

    /// Every entry belongs to the claim in force, or is as after power-on.
    private func check() {
        for device in 0..<2 {
            for vector in (0..<9).map({ InterruptVector(.msix, $0) }) + (2000..<2048).map({ InterruptVector(.ims, $0) })
            {
                let entry = fixture.machine.devices[device].interruptEntry(vector)
                if let claim = claims.first(where: { $0.device == device && $0.vector == vector }) {
                    #expect(entry?.permission == InterruptPermission(pasid: claim.ioasid), "seed \(seed)")
                } else {
                    #expect(entry == (vector.table == .msix ? .msixPowerOn : .imsPowerOn), "seed \(seed)")
                }
            }
        }
    }
}

extension MachineFixture {
    /// Configures WQ 0 of a Disabled device, which a reset left without configuration.
    fileprivate func configure(_ device: Int) throws {
        var queue = WorkQueueConfiguration()
        queue.size = 16
        queue.threshold = 12
        queue.priority = 10
        queue.pasidEnable = true
        queue.maximumTransferShift = machine.devices[device].profile.general.maximumTransferShift
        queue.maximumBatchShift = machine.devices[device].profile.general.maximumBatchShift
        try #require(machine.configure(workQueue: 0, as: queue, device: device) == true)
        var unused = WorkQueueConfiguration()
        unused.size = 0
        _ = machine.configure(workQueue: 1, as: unused, device: device)
        let group = GroupConfiguration(
            workQueues: 1, engines: 1 << UInt64(machine.devices[device].profile.engineCount) - 1)
        try #require(machine.configure(group: 0, as: group, device: device) == true)
    }
}

@Suite("Interrupts at random")
struct InterruptPropertyTests {
    @Test(arguments: 0..<8)
    func `D-08 D-10: an interrupt is always of the PASID whose claim is in force`(run: UInt64) throws {
        let world = try InterruptWorld(seed: 0x1A7E + run)
        for _ in 0..<4000 { try world.act() }
        // It tested something.
        #expect(world.interruptCount > 50, "seed \(world.seed)")
        #expect(world.revocationCount > 20, "seed \(world.seed)")
        #expect(world.refusalCount > 50, "seed \(world.seed)")
    }
}
