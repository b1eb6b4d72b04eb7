import PCIe
import Testing
import Virtualization

@Suite("IOASID sets and capacity")
struct IOASIDSetTests {
    @Test func `The default capacity is 2^20`() {
        let space = IOASIDSpace()
        #expect(space.capacity == 0x10_0000)
        #expect(space.available == 0x10_0000)
    }

    @Test func `I-01: available capacity and quotas add up to the capacity, and ENOSPC refuses more`() throws {
        let fixture = IOASIDFixture(capacity: 100)
        let first = try fixture.space.allocateSet(token: .null, quota: 60)
        #expect(fixture.space.available == 40)
        #expect(
            refusal { () throws(IOASIDError) in
                _ = try fixture.space.allocateSet(token: .null, quota: 41)
            } == .noSpace)
        #expect(fixture.space.available == 40)
        let rest = try fixture.space.allocateSet(token: .null, quota: 0)
        #expect(fixture.space.description(of: rest)?.quota == 40)
        #expect(
            refusal { () throws(IOASIDError) in
                _ = try fixture.space.allocateSet(token: .null, quota: 0)
            } == .noSpace)
        try fixture.space.freeSet(first)
        #expect(fixture.space.available == 60)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `Reserved capacity is out of reach of the sets, and only what is reserved can be cancelled`() throws {
        let fixture = IOASIDFixture(capacity: 100)
        try fixture.space.reserveCapacity(70)
        #expect(fixture.space.available == 30)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.reserveCapacity(31) } == .noSpace)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.cancelCapacity(71) } == .invalidArgument)
        try fixture.space.cancelCapacity(20)
        #expect(fixture.space.available == 50)
        #expect(fixture.space.reserved == 50)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `An MM token names one set, and 0 names none`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .mm(0xFFFF_8881_0000_0000), quota: 10)
        #expect(fixture.space.set(ofToken: 0xFFFF_8881_0000_0000) == set)
        #expect(
            refusal { () throws(IOASIDError) in
                _ = try fixture.space.allocateSet(token: .mm(0xFFFF_8881_0000_0000), quota: 10)
            } == .exists)
        #expect(
            refusal { () throws(IOASIDError) in
                _ = try fixture.space.allocateSet(token: .mm(0), quota: 10)
            } == .invalidArgument)
        #expect(fixture.space.available == 1014)
        try fixture.space.freeSet(set)
        #expect(fixture.space.set(ofToken: 0xFFFF_8881_0000_0000) == nil)
        _ = try fixture.space.allocateSet(token: .mm(0xFFFF_8881_0000_0000), quota: 10)
    }

    @Test func `adjustSet keeps the quota at or above the count and the growth within what is available`() throws {
        let fixture = IOASIDFixture(capacity: 100)
        let set = try fixture.space.allocateSet(token: .null, quota: 10)
        for _ in 0..<5 { #expect(fixture.allocate(in: set) != nil) }
        #expect(refusal { () throws(IOASIDError) in try fixture.space.adjustSet(set, quota: 0) } == .invalidArgument)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.adjustSet(set, quota: 4) } == .invalidArgument)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.adjustSet(set, quota: 101) } == .noSpace)
        #expect(fixture.space.description(of: set)?.quota == 10)
        try fixture.space.adjustSet(set, quota: 5)
        #expect(fixture.space.available == 95)
        #expect(fixture.allocate(in: set) == nil)
        try fixture.space.adjustSet(set, quota: 100)
        #expect(fixture.space.available == 0)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `setFree ends an empty set only`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .null, quota: 10)
        let id = try #require(fixture.allocate(in: set))
        #expect(refusal { () throws(IOASIDError) in try fixture.space.freeSet(set) } == .busy)
        #expect(fixture.free(id, in: set) == .reclaimed)
        try fixture.space.freeSet(set)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.freeSet(set) } == .invalidArgument)
    }

    @Test func `The name of an ended set is not the name of the set that follows it`() throws {
        let fixture = IOASIDFixture()
        let old = try fixture.space.allocateSet(token: .null, quota: 10)
        try fixture.space.freeSet(old)
        let new = try fixture.space.allocateSet(token: .null, quota: 10)
        #expect(old != new)
        #expect(old.rawValue != new.rawValue)
        #expect(fixture.allocate(in: old) == nil)
        #expect(fixture.space.description(of: old) == nil)
        let id = try #require(fixture.allocate(in: new))
        #expect(fixture.free(id, in: old) == .ignoredForeign)
    }

    @Test func `setPut of the last user frees all IOASIDs and returns the quota`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .mm(9), quota: 10)
        try fixture.space.getSet(set)
        for _ in 0..<10 { #expect(fixture.allocate(in: set) != nil) }
        #expect(try !fixture.putSet(set))
        #expect(fixture.space.allocatedCount == 10)
        #expect(try fixture.putSet(set))
        #expect(fixture.space.allocatedCount == 0)
        #expect(fixture.space.available == 1024)
        #expect(fixture.space.description(of: set) == nil)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `A set whose users have gone survives until its last free-pending IOASID is put`() throws {
        let fixture = IOASIDFixture()
        let set = try fixture.space.allocateSet(token: .mm(9), quota: 100)
        let held = try #require(fixture.allocate(in: set))
        let other = try #require(fixture.allocate(in: set))
        try fixture.space.get(held)
        _ = fixture.takeEvents()
        #expect(try fixture.putSet(set))
        #expect(fixture.takeEvents().map(\.id) == [held])
        #expect(fixture.space.state(of: other) == .free)
        #expect(fixture.space.description(of: set)?.count == 1)
        #expect(fixture.space.available == 1023)
        #expect(fixture.allocate(in: set) == nil)
        #expect(refusal { () throws(IOASIDError) in try fixture.space.getSet(set) } == .invalidArgument)
        #expect(fixture.space.set(ofToken: 9) == nil)
        let successor = try fixture.space.allocateSet(token: .mm(9), quota: 1)
        #expect(fixture.put(held, in: set))
        #expect(fixture.space.description(of: set) == nil)
        #expect(fixture.space.set(ofToken: 9) == successor)
        #expect(fixture.space.available == 1023)
        #expect(fixture.space.violatedInvariant() == nil)
    }

    @Test func `Errors carry the kernel's errno and its name`() {
        #expect(IOASIDError.allCases.map(\.rawValue) == [2, 13, 16, 17, 22, 28])
        #expect(IOASIDError.allCases.map(\.name) == ["ENOENT", "EACCES", "EBUSY", "EEXIST", "EINVAL", "ENOSPC"])
    }
}
