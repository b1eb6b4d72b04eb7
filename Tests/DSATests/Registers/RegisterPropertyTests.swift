import DSA
import DSASpec
import PCIe
import TestKit
import Testing

/// A guest that owns BAR0 and writes what it likes.
private final class HostileDriver {
    let fixture: DeviceFixture
    let seed: UInt64
    private var generator: OperationsGenerator
    private let layout: RegisterLayout
    /// What never changes.
    private let constants: [Int: UInt32]
    private var nextSlot = 0

    init(seed: UInt64) throws {
        self.seed = seed
        generator = OperationsGenerator(seed: seed)
        var profile = DeviceProfile.dsa1
        profile.engineCount = Int.random(in: 1...4, using: &generator)
        if seed.isMultiple(of: 3) {
            profile.workQueueFeatures = WorkQueueFeatures(rawValue: .max)
            profile.groupFeatures = GroupFeatures(rawValue: .max)
        }
        fixture = try DeviceFixture(profile: profile)
        layout = profile.registerLayout
        var constants: [Int: UInt32] = [:]
        for register in Register.allCases where register.access == .readOnly {
            if register == .generalStatus || register == .commandStatus { continue }
            for offset in stride(from: register.offset, to: register.offset + register.byteCount, by: 4) {
                constants[offset] = fixture.read32(offset)
            }
        }
        self.constants = constants
    }

    private func chance(_ count: UInt64) -> Bool { UInt64.random(in: 0..<count, using: &generator) == 0 }

    private func randomOffset() -> Int {
        switch UInt8.random(in: 0..<8, using: &generator) {
        case 0: Int.random(in: -16..<layout.byteCount + 16, using: &generator)
        case 1, 2:
            Register.allCases.randomElement(using: &generator)!.offset + Int.random(in: 0..<32, using: &generator)
        case 3, 4: 0x800 + Int.random(in: 0..<(8 * layout.workQueueEntryByteCount), using: &generator)
        case 5: 0x600 + Int.random(in: 0..<256, using: &generator)
        case 6: 0x80 + 8 * Int.random(in: 0..<9, using: &generator)
        default: Register.command.offset
        }
    }

    private func randomValue(at offset: Int) -> UInt64 {
        if offset == Register.command.offset, !chance(4) {
            let code = UInt64.random(in: 0..<18, using: &generator)
            return (chance(2) ? 1 << 31 : 0) | code << 20
                | (chance(2) ? 0 : UInt64.random(in: 0..<16, using: &generator))
        }
        return switch UInt8.random(in: 0..<4, using: &generator) {
        case 0: generator.next()
        case 1: .max
        case 2: 1 << UInt64.random(in: 0..<64, using: &generator)
        default: UInt64.random(in: 0..<32, using: &generator)
        }
    }

    /// The configuration of a driver that knows what it does, so that commands succeed too.
    private func configure() {
        for queue in 0..<3 {
            let entry = fixture.workQueueOffset(queue)
            fixture.write64(entry, 0x0000_0008_0000_0008)
            fixture.write64(entry + 8, queue == 2 ? 0x0000_015F_1000_0B71 : 0x0000_015F_1000_00A0)
            fixture.write64(entry + 16, 0)
        }
        for queue in 3..<8 { fixture.write32(fixture.workQueueOffset(queue), 0) }
        for group in 0..<4 {
            fixture.write64(fixture.groupOffset(group), group == 0 ? 7 : 0)
            fixture.write64(fixture.groupOffset(group) + 32, group == 0 ? 1 : 0)
            fixture.write64(fixture.groupOffset(group) + 40, 0x600_0000)
        }
        fixture.command(1)
        for queue: UInt32 in 0..<3 { fixture.command(6, queue) }
    }

    func act() {
        switch UInt8.random(in: 0..<16, using: &generator) {
        case 0..<10:
            let offset = randomOffset()
            let size = [1, 2, 4, 4, 8, 8, 3, 0].randomElement(using: &generator)!
            do throws(RegisterAccessError) {
                if chance(3) {
                    let value = try fixture.device.readRegister(at: offset, byteCount: size)
                    #expect(size == 8 || value >> UInt64(size * 8) == 0, "seed \(seed)")
                } else {
                    try fixture.device.writeRegister(at: offset, byteCount: size, value: randomValue(at: offset))
                }
                #expect(size > 0 && size != 3 && offset % size == 0, "seed \(seed)")
                #expect(offset >= 0 && offset + size <= layout.byteCount, "seed \(seed)")
            } catch {
                let isGood = [1, 2, 4, 8].contains(size) && offset >= 0 && offset < layout.byteCount
                #expect(!isGood || offset % size != 0, "\(error), seed \(seed)")
            }
        case 10, 11:
            let queue = Int.random(in: 0..<4, using: &generator)
            let descriptor = fixture.noOp(record: nextSlot < 2000 ? nextSlot : nil)
            if fixture.device.enqueue(descriptor, to: .of(queue, chance(2) ? .limited : .unlimited))
                == .successfulCompletion
            {
                nextSlot += 1
            } else {
                fixture.device.post(descriptor, to: .of(queue))
            }
        case 12:
            fixture.run()
        case 13:
            let isHeld = chance(2)
            for engine in 0..<fixture.device.profile.engineCount { fixture.device.setHold(isHeld, engine: engine) }
        case 14:
            guard chance(20) else { break }
            if chance(2) {
                fixture.device.halt(until: chance(4) ? .functionLevel : .resetDevice)
            } else {
                var settings = fixture.device.function
                settings.isBusMasterEnabled = !chance(3)
                settings.isPASIDEnabled = !chance(4)
                fixture.device.pciConfigurationChanged(to: settings)
            }
        default:
            if chance(4) {
                fixture.command(5)
                configure()
            }
        }
        fixture.device.effects.removeAll()
    }

    func check() {
        for (offset, value) in constants { #expect(fixture.read32(offset) == value, "at \(offset), seed \(seed)") }
        let state = fixture.device.state
        #expect(fixture.read32(.generalStatus) & 3 == UInt32(state.rawValue), "seed \(seed)")
        var inFlight = 0
        for queue in fixture.device.workQueues.indices {
            let account = fixture.account(of: queue)
            #expect(account.ended == account.accepted, "D-11, WQ \(queue), seed \(seed)")
            let item = fixture.device.workQueues[queue]
            inFlight += item.inProgress
            #expect(item.state == .disabled || item.occupancy <= Int(item.configuration.size), "D-02, seed \(seed)")
            #expect(item.state == .disabled || state != .disabled, "seed \(seed)")
            let status = fixture.read32(fixture.workQueueOffset(queue) + 24)
            #expect(status >> 30 == UInt32(item.state.rawValue), "seed \(seed)")
            #expect(status & 0xFFFF == UInt32(item.occupancy), "seed \(seed)")
            if item.state == .disabled { #expect(item.occupancy == 0, "seed \(seed)") }
        }
        #expect(state != .disabled || inFlight == 0, "seed \(seed)")
    }
}

@Suite("Registers at random")
struct RegisterPropertyTests {
    @Test(arguments: PropertyScale.seeds(40))
    func `D-02 D-11: whatever is written to BAR0, the device stays whole and its constants constant`(
        seed: UInt64
    )
        throws
    {
        let driver = try HostileDriver(seed: seed)
        for _ in 0..<1500 {
            driver.act()
            driver.check()
        }
    }
}
