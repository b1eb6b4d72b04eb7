import IOMMU
import PCIe
import Testing
import Virtualization

@Suite("Guest PASID bindings")
struct IOASIDBindingTests {
    private static func guest(_ value: UInt32) -> GuestPASID { GuestPASID(truncating: value) }

    @Test func `I-07: an SPID is unique in its set, and in two sets it stands for two IOASIDs`() throws {
        let fixture = IOASIDFixture()
        let first = try fixture.space.allocateSet(token: .mm(1), quota: 8)
        let second = try fixture.space.allocateSet(token: .mm(2), quota: 8)
        let a = try #require(fixture.allocate(in: first))
        let b = try #require(fixture.allocate(in: first))
        let c = try #require(fixture.allocate(in: second))
        try fixture.attach(a, Self.guest(101))
        #expect(refusal { () throws(IOASIDError) in try fixture.attach(b, Self.guest(101)) } == .invalidArgument)
        #expect(fixture.space.description(of: b)?.spid == nil)
        try fixture.attach(c, Self.guest(101))
        #expect(fixture.space.find(spid: Self.guest(101), in: first) == a)
        #expect(fixture.space.find(spid: Self.guest(101), in: second) == c)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `I-08: exactly one BIND per attach and one UNBIND per detach, which carries the old SPID`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        let id = try #require(fixture.allocate(in: set))
        _ = fixture.takeEvents()
        try fixture.attach(id, Self.guest(0x8_0001))
        #expect(
            fixture.takeEvents() == [
                IOASIDEvent(kind: .bind, id: id, set: set, spid: Self.guest(0x8_0001), data: nil)
            ])
        #expect(refusal { () throws(IOASIDError) in try fixture.attach(id, Self.guest(2)) } == .busy)
        #expect(fixture.takeEvents().isEmpty)
        try fixture.detach(id)
        #expect(
            fixture.takeEvents() == [
                IOASIDEvent(kind: .unbind, id: id, set: set, spid: Self.guest(0x8_0001), data: nil)
            ])
        #expect(refusal { () throws(IOASIDError) in try fixture.detach(id) } == .noEntry)
        #expect(fixture.takeEvents().isEmpty)
        #expect(fixture.space.find(spid: Self.guest(0x8_0001), in: set) == nil)
    }

    @Test func `attachSpid and detachSpid of an IOASID that does not exist are ENOENT`() {
        let fixture = IOASIDFixture()
        let id = HostPASID(truncating: 12)
        #expect(refusal { () throws(IOASIDError) in try fixture.attach(id, Self.guest(1)) } == .noEntry)
        #expect(refusal { () throws(IOASIDError) in try fixture.detach(id) } == .noEntry)
        #expect(fixture.takeEvents().isEmpty)
    }

    @Test func `An SPID is found once its attachment is committed, with a reference on request`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        let id = try #require(fixture.allocate(in: set))
        let other = try #require(fixture.allocate(in: set))
        let change = try fixture.beginAttach(id, Self.guest(5))
        #expect(fixture.space.find(spid: Self.guest(5), in: set) == nil)
        #expect(refusal { () throws(IOASIDError) in try fixture.attach(other, Self.guest(5)) } == .invalidArgument)
        try fixture.space.commitAttach(change)
        #expect(fixture.findTakingReference(Self.guest(5), in: set) == id)
        #expect(fixture.space.description(of: id)?.referenceCount == 2)
        #expect(fixture.findTakingReference(Self.guest(6), in: set) == nil)
    }

    @Test func `I-16: a failed BIND handler leaves no SPID, no reference and no table entry`() throws {
        let memory = PhysicalMemory(frameCount: 2)
        var table = try makeTable(in: memory)
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        let id = try #require(fixture.allocate(in: set))
        let before = fixture.space.description(of: id)
        _ = fixture.takeEvents()
        let change = try fixture.beginAttach(id, Self.guest(5))
        #expect(fixture.takeEvents().map(\.kind) == [.bind])
        try fixture.space.get(id, in: set)
        var handlerFailure: PASIDMappingError?
        do throws(PASIDMappingError) { try table.map(change.spid, to: change.id) } catch { handlerFailure = error }
        #expect(handlerFailure == .outOfFrames)
        fixture.space.put(id, in: set)
        #expect(fixture.abortAttach(change))
        #expect(fixture.takeEvents().isEmpty)
        #expect(fixture.space.description(of: id) == before)
        #expect(fixture.space.find(spid: Self.guest(5), in: set) == nil)
        #expect(table.hostPASID(for: Self.guest(5)) == nil)
        #expect(!fixture.abortAttach(change))
        #expect(refusal { () throws(IOASIDError) in try fixture.space.commitAttach(change) } == .noEntry)
        try fixture.attach(id, Self.guest(5))
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `During a detachment the SPID is neither found nor given away`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        let id = try #require(fixture.allocate(in: set))
        let other = try #require(fixture.allocate(in: set))
        try fixture.attach(id, Self.guest(5))
        let change = try fixture.beginDetach(id)
        #expect(fixture.space.find(spid: Self.guest(5), in: set) == nil)
        #expect(refusal { () throws(IOASIDError) in try fixture.detach(id) } == .busy)
        #expect(refusal { () throws(IOASIDError) in try fixture.attach(other, Self.guest(5)) } == .invalidArgument)
        #expect(fixture.finishDetach(change))
        #expect(!fixture.finishDetach(change))
        try fixture.attach(other, Self.guest(5))
        #expect(fixture.space.find(spid: Self.guest(5), in: set) == other)
    }

    @Test func `I-13: detachSpid from the handling of a FREE is refused`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        let id = try #require(fixture.allocate(in: set))
        try fixture.attach(id, Self.guest(5))
        try fixture.space.get(id)
        _ = fixture.takeEvents()
        _ = fixture.free(id, in: set)
        let event = try #require(fixture.takeEvents().first)
        #expect(event.kind == .free)
        #expect(refusal { () throws(IOASIDError) in try fixture.detach(event.id) } == .noEntry)
        #expect(fixture.takeEvents().isEmpty)
    }

    @Test func `I-15: free before unbind carries the SPID, and the later unbind fails harmlessly`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        let id = try #require(fixture.allocate(in: set))
        let other = try #require(fixture.allocate(in: set))
        try fixture.attach(id, Self.guest(5))
        try fixture.attach(other, Self.guest(6))
        try fixture.space.get(id)
        _ = fixture.takeEvents()
        #expect(fixture.free(id, in: set) == .pending)
        #expect(fixture.takeEvents().map(\.spid) == [Self.guest(5)])
        let before = fixture.space.description(of: other)
        #expect(refusal { () throws(IOASIDError) in try fixture.detach(id) } == .noEntry)
        #expect(fixture.takeEvents().isEmpty)
        #expect(fixture.space.description(of: other) == before)
        #expect(fixture.space.find(spid: Self.guest(6), in: set) == other)
        #expect(fixture.space.state(of: id) == .freePending)
        #expect(fixture.put(id))
        #expect(refusal { () throws(IOASIDError) in try fixture.detach(id) } == .noEntry)
    }

    @Test func `A change that a free has overtaken does not touch the next owner of the IOASID`() throws {
        let fixture = IOASIDFixture(capacity: 2)
        let set = try fixture.space.allocateSet(token: .null, quota: 1)
        let id = try #require(fixture.allocate(in: set))
        let stale = try fixture.beginAttach(id, Self.guest(5))
        #expect(fixture.free(id, in: set) == .reclaimed)
        #expect(fixture.allocate(in: set) == id)
        let current = try fixture.beginAttach(id, Self.guest(5))
        #expect(!fixture.abortAttach(stale))
        #expect(refusal { () throws(IOASIDError) in try fixture.space.commitAttach(stale) } == .noEntry)
        try fixture.space.commitAttach(current)
        let staleDetach = try fixture.beginDetach(id)
        #expect(fixture.free(id, in: set) == .reclaimed)
        #expect(fixture.allocate(in: set) == id)
        try fixture.attach(id, Self.guest(5))
        #expect(!fixture.finishDetach(staleDetach))
        #expect(fixture.space.find(spid: Self.guest(5), in: set) == id)
    }

    @Test func `The normal cycle of bind and unbind counts references as the specification does`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 8)
        let id = try #require(fixture.allocate(in: set))
        func references(_ fixture: IOASIDFixture) -> UInt32? { fixture.space.description(of: id)?.referenceCount }
        #expect(references(fixture) == 1)
        try fixture.space.get(id)  // The IOMMU driver.
        #expect(references(fixture) == 2)
        try fixture.attach(id, Self.guest(5))
        try fixture.space.get(id, in: set)  // KVM, on BIND.
        #expect(references(fixture) == 3)
        #expect(fixture.findTakingReference(Self.guest(5), in: set) == id)  // The VDCM.
        #expect(references(fixture) == 4)
        #expect(!fixture.put(id, in: set))
        try fixture.detach(id)
        #expect(!fixture.put(id, in: set))
        #expect(references(fixture) == 2)
        #expect(fixture.free(id, in: set) == .pending)
        #expect(references(fixture) == 1)
        #expect(fixture.put(id))
        #expect(fixture.space.state(of: id) == .free)
    }
}
