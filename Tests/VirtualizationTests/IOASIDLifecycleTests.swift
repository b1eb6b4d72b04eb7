import PCIe
import Testing
import Virtualization

@Suite("IOASID life cycle")
struct IOASIDLifecycleTests {
    private static func guest(_ value: UInt32) -> GuestPASID { GuestPASID(truncating: value) }

    @Test func `alloc gives one reference, state IDLE, no SPID, and ALLOC to the set`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 10)
        let id = try #require(fixture.allocate(in: set))
        let description = try #require(fixture.space.description(of: id))
        #expect(description.state == .idle)
        #expect(description.referenceCount == 1)
        #expect(description.spid == nil)
        #expect(description.set == set)
        #expect(
            fixture.takeEvents() == [
                IOASIDEvent(kind: .alloc, id: id, set: set, spid: nil, data: nil)
            ])
    }

    @Test func `I-02: allocation beyond the quota gives INVALID and changes nothing`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 3)
        for _ in 0..<3 { #expect(fixture.allocate(in: set) != nil) }
        _ = fixture.takeEvents()
        #expect(fixture.allocate(in: set) == nil)
        #expect(fixture.takeEvents().isEmpty)
        #expect(fixture.space.description(of: set)?.count == 3)
        #expect(fixture.space.allocatedCount == 3)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `I-03: PASID 0 is never allocated, even when it is the only one left`() throws {
        let fixture = IOASIDFixture(capacity: 8)
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        #expect(fixture.allocate(in: set, range: 0...0) == nil)
        let ids = (0..<7).compactMap { _ in fixture.allocate(in: set, range: 0...7)?.rawValue }
        #expect(ids.sorted() == [1, 2, 3, 4, 5, 6, 7])
        #expect(fixture.allocate(in: set, range: 0...7) == nil)
        #expect(fixture.space.state(of: HostPASID(truncating: 0)) == .free)
    }

    @Test func `alloc stays inside the range, both ends included`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 100)
        let ids = (0..<3).compactMap { _ in fixture.allocate(in: set, range: 500...502)?.rawValue }
        #expect(ids.sorted() == [500, 501, 502])
        #expect(fixture.allocate(in: set, range: 500...502) == nil)
        #expect(fixture.allocate(in: set, range: 1024...2000) == nil)
        #expect(fixture.allocate(in: set, range: 1023...2000)?.rawValue == 1023)
    }

    @Test func `A freed IOASID rests until all others of the space have had their turn`() throws {
        let fixture = IOASIDFixture(capacity: 64)
        let set = try fixture.space.allocateSet(token: .null, quota: 64)
        var seen: [UInt32] = []
        for _ in 0..<63 {
            let id = try #require(fixture.allocate(in: set))
            seen.append(id.rawValue)
            #expect(fixture.free(id, in: set) == .reclaimed)
        }
        #expect(seen == Array(1...63))
        #expect(fixture.allocate(in: set)?.rawValue == 1)
    }

    @Test func `I-04: an IOASID is not allocated again while any reference exists`() throws {
        let fixture = IOASIDFixture(capacity: 4)
        let set = try fixture.space.allocateSet(token: .null, quota: 4)
        let ids = (0..<3).compactMap { _ in fixture.allocate(in: set) }
        try fixture.space.get(ids[1])
        for id in ids { _ = fixture.free(id, in: set) }
        let again = [fixture.allocate(in: set), fixture.allocate(in: set), fixture.allocate(in: set)]
        #expect(Set(again.compactMap { $0 }) == [ids[0], ids[2]])
        #expect(fixture.put(ids[1]))
        #expect(fixture.allocate(in: set) == ids[1])
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `I-05: get on FREE_PENDING fails, put works, and a second free is silent`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 4)
        let id = try #require(fixture.allocate(in: set))
        try fixture.space.get(id)
        try fixture.space.get(id)
        #expect(fixture.free(id, in: set) == .pending)
        #expect(fixture.space.state(of: id) == .freePending)
        _ = fixture.takeEvents()
        #expect(refusal { () throws(IOASIDError) in try fixture.space.get(id) } == .busy)
        #expect(fixture.free(id, in: set) == .ignoredAlreadyPending)
        #expect(fixture.takeEvents().isEmpty)
        #expect(fixture.space.description(of: id)?.referenceCount == 2)
        #expect(!fixture.put(id, in: set))
        #expect(fixture.put(id, in: set))
        #expect(fixture.space.state(of: id) == .free)
        #expect(!fixture.put(id, in: set))
        #expect(fixture.free(id, in: set) == .ignoredUnknown)
    }

    @Test func `I-06: free, get, put and find by a foreign set change nothing`() throws {
        let fixture = IOASIDFixture()
        let owner = try fixture.space.allocateSet(token: .null, quota: 4)
        let foreign = try fixture.space.allocateSet(token: .null, quota: 4)
        let id = try #require(fixture.allocate(in: owner))
        try fixture.space.get(id)
        let before = fixture.space.description(of: id)
        _ = fixture.takeEvents()
        #expect(fixture.free(id, in: foreign) == .ignoredForeign)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.get(id, in: foreign) } == .accessDenied)
        #expect(!fixture.put(id, in: foreign))
        #expect(
            refusal { () throws(IOASIDError) in
                _ = try fixture.space.findData(of: id, in: foreign)
            } == .accessDenied)
        #expect(fixture.space.description(of: id) == before)
        #expect(fixture.takeEvents().isEmpty)
    }

    @Test func `get of an IOASID that does not exist is EINVAL`() {
        let fixture = IOASIDFixture()
        for id in [UInt32(0), 5, 1023, 1024, 0xF_FFFF] {
            #expect(
                refusal { () throws(IOASIDError) in
                    try fixture.space.get(HostPASID(truncating: id))
                } == .invalidArgument)
            #expect(!fixture.put(HostPASID(truncating: id)))
        }
    }

    @Test func `An IOASID is ACTIVE while it is bound or has a user beyond its owner, otherwise IDLE`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 4)
        let id = try #require(fixture.allocate(in: set))
        try fixture.space.get(id)
        #expect(fixture.space.state(of: id) == .active)
        fixture.space.put(id)
        #expect(fixture.space.state(of: id) == .idle)
        try fixture.attach(id, Self.guest(5))
        #expect(fixture.space.state(of: id) == .active)
        try fixture.detach(id)
        #expect(fixture.space.state(of: id) == .idle)
    }

    @Test func `I-09: free with one reference emits no FREE, with more exactly one that reaches both scopes`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 4)
        let alone = try #require(fixture.allocate(in: set))
        let used = try #require(fixture.allocate(in: set))
        try fixture.space.get(used)
        let kvm = IOASIDSubscriber(.cpu, instance: 1)
        let iommu = IOASIDSubscriber(.iommu, instance: 0)
        try fixture.space.register(kvm, on: set)
        try fixture.space.registerGlobally(iommu)
        _ = fixture.takeEvents()
        #expect(fixture.free(alone, in: set) == .reclaimed)
        #expect(fixture.takeEvents().isEmpty)
        #expect(fixture.free(used, in: set) == .pending)
        let sent = fixture.takeEvents()
        #expect(sent == [IOASIDEvent(kind: .free, id: used, set: set, spid: nil, data: nil)])
        #expect(Array(fixture.space.notification(for: try #require(sent.first))) == [kvm, iommu])
    }

    @Test func `I-12: freeAll on a set in use ends with count 0 and all quota returned once its users put`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 50)
        let ids = (0..<50).compactMap { _ in fixture.allocate(in: set) }
        for (position, id) in ids.enumerated() where position % 3 == 0 {
            try fixture.space.get(id)
            try fixture.attach(id, Self.guest(UInt32(position)))
        }
        _ = fixture.takeEvents()
        try fixture.space.freeAll(in: set, events: &fixture.events)
        let told = fixture.takeEvents()
        #expect(told.allSatisfy { $0.kind == .free && $0.spid != nil })
        #expect(told.count == 17)
        var members: [HostPASID] = []
        fixture.space.forEachMember(of: set) { members.append($0) }
        #expect(Set(members) == Set(told.map(\.id)))
        #expect(fixture.space.violatedInvariant() == nil)
        for event in told { #expect(fixture.put(event.id, in: set)) }
        #expect(fixture.space.description(of: set)?.count == 0)
        try fixture.space.freeSet(set)
        #expect(fixture.space.available == 1024)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `I-14: a VM's hypervisor that goes before UNBIND and FREE leaves no reference behind`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .mm(3), quota: 4)
        let kvm = IOASIDSubscriber(.cpu, instance: 3)
        try fixture.space.register(kvm, on: set)
        let id = try #require(fixture.allocate(in: set))
        try fixture.attach(id, Self.guest(101))
        try fixture.space.get(id, in: set)
        fixture.space.put(id, in: set)
        try fixture.space.unregister(kvm, from: set)
        _ = fixture.takeEvents()
        try fixture.detach(id)
        for event in fixture.takeEvents() { #expect(Array(fixture.space.notification(for: event)) == []) }
        #expect(fixture.free(id, in: set) == .reclaimed)
        #expect(fixture.allocate(in: set, range: id.rawValue...id.rawValue) == id)
    }

    @Test func `Private data is attached once, travels in the events and is found by its set only`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 4)
        let id = try #require(fixture.allocate(in: set))
        #expect(try fixture.space.findData(of: id) == nil)
        try fixture.space.attachData(0xDEAD, to: id)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.attachData(1, to: id) } == .busy)
        #expect(try fixture.space.findData(of: id, in: set) == 0xDEAD)
        try fixture.space.get(id)
        _ = fixture.takeEvents()
        _ = fixture.free(id, in: set)
        #expect(fixture.takeEvents().map(\.data) == [0xDEAD])
        #expect(refusal { () throws(IOASIDError) in _ = try fixture.space.findData(of: id) } == .noEntry)
        #expect(try fixture.detachData(from: id) == 0xDEAD)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.detachData(from: id) } == .noEntry)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.attachData(1, to: id) } == .busy)
        fixture.space.put(id)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.attachData(1, to: id) } == .noEntry)
    }
}
