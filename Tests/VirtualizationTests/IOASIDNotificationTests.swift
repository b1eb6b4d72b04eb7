import PCIe
import Testing
import Virtualization

@Suite("IOASID notifications")
struct IOASIDNotificationTests {
    private static let subscribers: [IOASIDSubscriber] = [
        IOASIDSubscriber(.last, instance: 0), IOASIDSubscriber(.iommu, instance: 0),
        IOASIDSubscriber(.device, instance: 0), IOASIDSubscriber(.cpu, instance: 0),
    ]

    /// A FREE of a fresh set in `fixture`, with `local` and `global` registered in the order given.
    private static func free(
        in fixture: IOASIDFixture, local: [IOASIDSubscriber], global: [IOASIDSubscriber]
    ) throws -> [IOASIDSubscriber] {
        let set = try fixture.space.allocateSet(token: .null, quota: 4)
        for subscriber in local { try fixture.space.register(subscriber, on: set) }
        for subscriber in global { try fixture.space.registerGlobally(subscriber) }
        let id = try #require(fixture.allocate(in: set))
        try fixture.space.get(id)
        _ = fixture.takeEvents()
        _ = fixture.free(id, in: set)
        return Array(fixture.space.notification(for: try #require(fixture.takeEvents().first)))
    }

    @Test(
        arguments: zip(
            NotifierOrder.allCases,
            [
                [IOASIDSubscriberKind.cpu, .device, .iommu, .last], [.cpu, .iommu, .device, .last],
            ]))
    func `I-10: subscribers are called in the order of their kind, whatever the chain and the registration`(
        order: NotifierOrder, expected: [IOASIDSubscriberKind]
    ) throws {
        for split in 0..<16 {
            let fixture = IOASIDFixture(order: order)
            let local = Self.subscribers.enumerated().filter { split >> $0.offset & 1 == 0 }.map(\.element)
            let global = Self.subscribers.enumerated().filter { split >> $0.offset & 1 == 1 }.map(\.element)
            #expect(try Self.free(in: fixture, local: local, global: global).map(\.kind) == expected, "split \(split)")
        }
    }

    @Test func `Version 3's order is the default`() throws {
        let fixture = IOASIDFixture()
        fixture.space = IOASIDSpace(capacity: 16)
        #expect(
            try Self.free(in: fixture, local: [], global: Self.subscribers).map(\.kind)
                == [.cpu, .device, .iommu, .last])
    }

    @Test func `In one kind the set's chain comes before the global one, and older before younger`() throws {
        let fixture = IOASIDFixture()
        let local = (10..<13).map { IOASIDSubscriber(.device, instance: $0) }
        let global = (0..<3).map { IOASIDSubscriber(.device, instance: $0) }
        #expect(try Self.free(in: fixture, local: local, global: global) == local + global)
    }

    @Test func `I-11: a set's events never reach another VM's subscribers`() throws {
        let fixture = IOASIDFixture()
        let sets = [
            try fixture.space.allocateSet(token: .mm(1), quota: 4),
            try fixture.space.allocateSet(token: .mm(2), quota: 4),
        ]
        let kvms = [IOASIDSubscriber(.cpu, instance: 1), IOASIDSubscriber(.cpu, instance: 2)]
        let iommu = IOASIDSubscriber(.iommu, instance: 0)
        for (kvm, set) in zip(kvms, sets) { try fixture.space.register(kvm, on: set) }
        try fixture.space.registerGlobally(iommu)
        for set in sets {
            let id = try #require(fixture.allocate(in: set))
            try fixture.attach(id, GuestPASID(truncating: 101))
            try fixture.space.get(id)
            try fixture.detach(id)
            _ = fixture.free(id, in: set)
        }
        let events = fixture.takeEvents()
        #expect(events.map(\.kind) == [.alloc, .bind, .unbind, .free, .alloc, .bind, .unbind, .free])
        for event in events {
            let kvm = event.set == sets[0] ? kvms[0] : kvms[1]
            #expect(
                Array(fixture.space.notification(for: event)) == (event.kind == .free ? [kvm, iommu] : [kvm]))
        }
    }

    @Test func `A subscriber is in a chain once, and can leave it once`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 4)
        let kvm = IOASIDSubscriber(.cpu, instance: 1)
        try fixture.space.register(kvm, on: set)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.register(kvm, on: set) } == .exists)
        try fixture.space.unregister(kvm, from: set)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.unregister(kvm, from: set) } == .noEntry)
        try fixture.space.registerGlobally(kvm)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.registerGlobally(kvm) } == .exists)
        try fixture.space.unregisterGlobally(kvm)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.unregisterGlobally(kvm) } == .noEntry)
    }

    @Test func `A subscriber by MM token waits for the set and hears its first event`() throws {
        let fixture = IOASIDFixture()
        let kvm = IOASIDSubscriber(.cpu, instance: 7)
        let vdcm = IOASIDSubscriber(.device, instance: 7)
        #expect(try fixture.register(vdcm, onToken: 70) == .pending)
        #expect(try fixture.register(kvm, onToken: 70) == .pending)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.register(kvm, onToken: 70) } == .exists)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.register(kvm, onToken: 0) } == .invalidArgument)
        let set = try fixture.space.allocateSet(token: .mm(70), quota: 4)
        #expect(fixture.allocate(in: set) != nil)
        let event = try #require(fixture.takeEvents().first)
        #expect(Array(fixture.space.notification(for: event)) == [kvm, vdcm])
    }

    @Test func `A subscriber of an MM set in use waits until the set is empty`() throws {
        let fixture = IOASIDFixture()
        let kvm = IOASIDSubscriber(.cpu, instance: 7)
        let set = try fixture.space.allocateSet(token: .mm(70), quota: 4)
        let id = try #require(fixture.allocate(in: set))
        #expect(try fixture.register(kvm, on: set) == .pending)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.register(kvm, onToken: 70) } == .exists)
        try fixture.attach(id, GuestPASID(truncating: 1))
        for event in fixture.takeEvents() { #expect(Array(fixture.space.notification(for: event)) == []) }
        #expect(fixture.free(id, in: set) == .reclaimed)
        #expect(fixture.allocate(in: set) != nil)
        for event in fixture.takeEvents() { #expect(Array(fixture.space.notification(for: event)) == [kvm]) }
    }

    @Test func `A subscriber that waits can withdraw`() throws {
        let fixture = IOASIDFixture()
        let kvm = IOASIDSubscriber(.cpu, instance: 7)
        try fixture.space.register(kvm, onToken: 70)
        try fixture.space.unregister(kvm, fromToken: 70)
        #expect(
            refusal { () throws(IOASIDError) in
                try fixture.space.unregister(kvm, fromToken: 70)
            } == .noEntry)
        let set = try fixture.space.allocateSet(token: .mm(70), quota: 4)
        let id = try #require(fixture.allocate(in: set))
        try fixture.space.register(kvm, on: set)
        try fixture.space.unregister(kvm, fromToken: 70)
        _ = fixture.free(id, in: set)
        _ = fixture.takeEvents()
        #expect(fixture.allocate(in: set) != nil)
        for event in fixture.takeEvents() { #expect(Array(fixture.space.notification(for: event)) == []) }
    }
}
