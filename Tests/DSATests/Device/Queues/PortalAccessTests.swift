import DSA
import DSASpec
import PCIe
import Testing

/// The rows of dsa-device table 6.2.
enum PortalTarget: CaseIterable, CustomTestStringConvertible {
    case sharedQueue
    case fullSharedQueue
    case dedicatedQueue
    case fullDedicatedQueue
    case neverEnabledQueue
    case disabledSharedQueue
    case disabledDedicatedQueue
    case disablingSharedQueue
    case disablingDedicatedQueue
    case queueThatDoesNotExist
    case gapInBAR
    case portalOfMessageStorageWithoutEntries
    case dedicatedPortalOfMessageStorageWithoutEntries
    case disabledDevice
    case disablingDevice

    enum Posted { case accepted, droppedInSilence, droppedWithSoftwareError }

    var isEnqueueAccepted: Bool { self == .sharedQueue }

    var posted: Posted {
        switch self {
        case .dedicatedQueue: .accepted
        case .fullDedicatedQueue: .droppedWithSoftwareError
        default: .droppedInSilence
        }
    }

    var testDescription: String { "\(self)" }

    /// A device in this state, engines held, and the portal to write to.
    func prepare() throws -> (DeviceFixture, Portal) {
        var profile = DeviceProfile.dsa1
        if self == .portalOfMessageStorageWithoutEntries || self == .dedicatedPortalOfMessageStorageWithoutEntries {
            profile.general = GeneralCapabilities(rawValue: profile.general.rawValue & ~(0x3F << 25))
        }
        let fixture = try DeviceFixture(profile: profile)
        try fixture.enable([.shared(size: 2), .dedicated(size: 2), .shared(size: 2)])
        fixture.holdEngines()
        switch self {
        case .sharedQueue:
            return (fixture, .of(0))
        case .fullSharedQueue:
            for _ in 0..<2 { try fixture.enqueue(fixture.noOp(record: nil)) }
            return (fixture, .of(0))
        case .dedicatedQueue:
            return (fixture, .of(1))
        case .fullDedicatedQueue:
            for _ in 0..<2 { fixture.device.post(fixture.noOp(record: nil), to: .of(1)) }
            return (fixture, .of(1))
        case .neverEnabledQueue:
            return (fixture, .of(5))
        case .disabledSharedQueue:
            try #require(fixture.device.execute(.disableWorkQueues(0b1)) == .completed(.none))
            return (fixture, .of(0))
        case .disabledDedicatedQueue:
            try #require(fixture.device.execute(.disableWorkQueues(0b10)) == .completed(.none))
            return (fixture, .of(1))
        case .disablingSharedQueue:
            try fixture.enqueue(fixture.noOp(record: nil))
            try #require(fixture.device.execute(.disableWorkQueues(0b1)) == .active)
            return (fixture, .of(0))
        case .disablingDedicatedQueue:
            fixture.device.post(fixture.noOp(record: nil), to: .of(1))
            try #require(fixture.device.execute(.disableWorkQueues(0b10)) == .active)
            return (fixture, .of(1))
        case .queueThatDoesNotExist:
            return (fixture, .of(profile.workQueueCount))
        case .gapInBAR:
            return (fixture, Portal(bar2Offset: 1 << 30))
        case .portalOfMessageStorageWithoutEntries:
            return (fixture, Portal(workQueue: 0, limit: .unlimited, interruptTable: .ims))
        case .dedicatedPortalOfMessageStorageWithoutEntries:
            return (fixture, Portal(workQueue: 1, limit: .unlimited, interruptTable: .ims))
        case .disabledDevice:
            try #require(fixture.device.execute(.disableDevice) == .completed(.none))
            return (fixture, .of(0))
        case .disablingDevice:
            try fixture.enqueue(fixture.noOp(record: nil), to: 2)
            try #require(fixture.device.execute(.disableDevice) == .active)
            return (fixture, .of(0))
        }
    }
}

@Suite("Access to portals")
struct PortalAccessTests {
    @Test(arguments: PortalTarget.allCases)
    func `D-03: a DMWr gets what table 6.2 says of its target, and Retry changes nothing`(
        target: PortalTarget
    ) throws {
        let (fixture, portal) = try target.prepare()
        let before = fixture.device.workQueues.map(\.occupancy)
        let completion = fixture.device.enqueue(fixture.noOp(record: 0), to: portal)
        #expect(completion == (target.isEnqueueAccepted ? .successfulCompletion : .requestRetryStatus))
        #expect((before != fixture.device.workQueues.map(\.occupancy)) == target.isEnqueueAccepted)
        #expect(!fixture.device.softwareError.isValid)
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.status(0) == (target.isEnqueueAccepted ? .success : .none))
    }

    @Test(arguments: PortalTarget.allCases)
    func `D-03: a posted write gets what table 6.2 says of its target`(target: PortalTarget) throws {
        let (fixture, portal) = try target.prepare()
        let before = fixture.device.workQueues.map(\.occupancy)
        fixture.device.post(fixture.noOp(record: 0), to: portal)
        #expect((before != fixture.device.workQueues.map(\.occupancy)) == (target.posted == .accepted))
        #expect(fixture.device.softwareError.isValid == (target.posted == .droppedWithSoftwareError))
        fixture.holdEngines(false)
        fixture.run()
        #expect(fixture.status(0) == (target.posted == .accepted ? .success : .none))
    }

    @Test func `The descriptor is not looked at: garbage is accepted and ends when it is executed`() throws {
        let fixture = try DeviceFixture.sharedQueue()
        let garbage = Descriptor(.max, .max, .max, .max, .max, .max, .max, .max)
        #expect(fixture.device.enqueue(garbage, to: .of(0, .limited)) == .successfulCompletion)
        fixture.run()
        #expect(fixture.device.workQueues[0].counts.completed == 1)
        #expect(fixture.device.softwareError.isValid)
    }
}
