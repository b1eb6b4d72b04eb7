import PCIe
import TestKit
import Testing
import Virtualization

/// The space as the specification's tables say it: a dictionary, and a linear scan for everything else.
private struct ReferenceModel {
    struct Entry: Equatable {
        let set: Int
        var references = 1
        var spid: UInt32?
        var isFreePending = false
    }

    let capacity: UInt32
    var quotas: [Int: UInt32] = [:]
    var entries: [UInt32: Entry] = [:]

    var available: UInt32 { capacity - quotas.values.reduce(0, +) }

    func count(_ set: Int) -> UInt32 { UInt32(entries.values.count { $0.set == set }) }

    mutating func allocated(_ id: UInt32, _ set: Int) {
        entries[id] = Entry(set: set)
    }

    /// Whether `range` has an IOASID for `set`.
    func canAllocate(_ set: Int, _ range: ClosedRange<UInt32>) -> Bool {
        guard let quota = quotas[set], count(set) < quota else { return false }
        return range.contains { $0 > 0 && $0 < capacity && entries[$0] == nil }
    }

    mutating func free(_ id: UInt32, _ set: Int) -> (IOASIDFreeOutcome, [IOASIDEvent.Kind]) {
        guard let entry = entries[id] else { return (.ignoredUnknown, []) }
        guard entry.set == set else { return (.ignoredForeign, []) }
        guard !entry.isFreePending else { return (.ignoredAlreadyPending, []) }
        guard entry.references > 1 else {
            entries[id] = nil
            return (.reclaimed, [])
        }
        entries[id]?.references -= 1
        entries[id]?.isFreePending = true
        entries[id]?.spid = nil
        return (.pending, [.free])
    }

    mutating func get(_ id: UInt32, _ set: Int?) -> IOASIDError? {
        guard let entry = entries[id] else { return .invalidArgument }
        guard set == nil || set == entry.set else { return .accessDenied }
        guard !entry.isFreePending else { return .busy }
        entries[id]?.references += 1
        return nil
    }

    mutating func put(_ id: UInt32, _ set: Int?) -> Bool {
        guard let entry = entries[id], set == nil || set == entry.set else { return false }
        entries[id]?.references -= 1
        guard entry.references == 1 else { return false }
        entries[id] = nil
        return true
    }

    mutating func attach(_ id: UInt32, _ spid: UInt32) -> IOASIDError? {
        guard let entry = entries[id] else { return .noEntry }
        guard !entry.isFreePending, entry.spid == nil else { return .busy }
        guard find(spid, entry.set) == nil else { return .invalidArgument }
        entries[id]?.spid = spid
        return nil
    }

    mutating func detach(_ id: UInt32) -> IOASIDError? {
        guard entries[id]?.spid != nil else { return .noEntry }
        entries[id]?.spid = nil
        return nil
    }

    func find(_ spid: UInt32, _ set: Int) -> UInt32? {
        entries.first { $0.value.set == set && $0.value.spid == spid }?.key
    }

    mutating func adjust(_ set: Int, _ quota: UInt32) -> IOASIDError? {
        guard let old = quotas[set], quota > 0, quota >= count(set) else { return .invalidArgument }
        guard quota <= old || quota - old <= available else { return .noSpace }
        quotas[set] = quota
        return nil
    }
}

@Suite("IOASID space against its reference model")
struct IOASIDSpacePropertyTests {
    @Test(arguments: UInt64(0)..<48)
    func `Random operations agree with the model, and every invariant holds after each`(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        // Small numbers, so that quotas, ranges and SPIDs collide.
        let capacity = UInt32.random(in: 8...80, using: &random)
        let fixture = IOASIDFixture(capacity: capacity)
        var model = ReferenceModel(capacity: capacity)
        var names: [Int: IOASIDSetID] = [:]
        var nextSet = 0
        for step in 0..<600 {
            let comment: Comment = "seed \(seed) step \(step)"
            let set = names.keys.sorted().randomElement(using: &random)
            let raw = UInt32.random(in: 0..<capacity + 2, using: &random)
            let id = HostPASID(truncating: raw)
            let scope = Bool.random(using: &random) ? set : nil
            var expectedEvents: [IOASIDEvent.Kind] = []
            switch Int.random(in: 0..<24, using: &random) {
            case 0, 1:
                let quota = UInt32.random(in: 0...capacity, using: &random)
                let granted = quota == 0 ? model.available : quota
                var name: IOASIDSetID?
                let error = refusal { () throws(IOASIDError) in
                    name = try fixture.space.allocateSet(token: .null, quota: quota)
                }
                #expect(error == (granted > 0 && granted <= model.available ? nil : .noSpace), comment)
                if let name {
                    names[nextSet] = name
                    model.quotas[nextSet] = granted
                    nextSet += 1
                }
            case 2:
                guard let set, let name = names[set] else { continue }
                let error = refusal { () throws(IOASIDError) in try fixture.space.freeSet(name) }
                #expect(error == (model.count(set) == 0 ? nil : .busy), comment)
                if error == nil {
                    names[set] = nil
                    model.quotas[set] = nil
                }
            case 3:
                guard let set, let name = names[set] else { continue }
                let quota = UInt32.random(in: 0...capacity, using: &random)
                let error = refusal { () throws(IOASIDError) in try fixture.space.adjustSet(name, quota: quota) }
                #expect(error == model.adjust(set, quota), comment)
            case 4...10:
                guard let set, let name = names[set] else { continue }
                let lower = UInt32.random(in: 0..<capacity, using: &random)
                let range = lower...UInt32.random(in: lower...capacity, using: &random)
                let allocated = fixture.allocate(in: name, range: range)
                #expect((allocated != nil) == model.canAllocate(set, range), comment)
                if let allocated {
                    #expect(model.entries[allocated.rawValue] == nil && allocated.rawValue > 0, comment)
                    #expect(range.contains(allocated.rawValue), comment)
                    model.allocated(allocated.rawValue, set)
                    expectedEvents = [.alloc]
                }
            case 11...13:
                guard let set, let name = names[set] else { continue }
                let (outcome, events) = model.free(raw, set)
                #expect(fixture.free(id, in: name) == outcome, comment)
                expectedEvents = events
            case 14:
                guard let set, let name = names[set] else { continue }
                try fixture.space.freeAll(in: name, events: &fixture.events)
                for (member, entry) in model.entries where entry.set == set {
                    expectedEvents += model.free(member, set).1
                }
            case 15, 16:
                let error = refusal { () throws(IOASIDError) in
                    try fixture.space.get(id, in: scope.flatMap { names[$0] })
                }
                #expect(error == model.get(raw, scope), comment)
            case 17...19:
                #expect(fixture.put(id, in: scope.flatMap { names[$0] }) == model.put(raw, scope), comment)
            case 20, 21:
                let spid = UInt32.random(in: 0..<6, using: &random)
                let error = refusal { () throws(IOASIDError) in
                    try fixture.attach(id, GuestPASID(truncating: spid))
                }
                #expect(error == model.attach(raw, spid), comment)
                if error == nil { expectedEvents = [.bind] }
            case 22:
                let error = refusal { () throws(IOASIDError) in try fixture.detach(id) }
                #expect(error == model.detach(raw), comment)
                if error == nil { expectedEvents = [.unbind] }
            default:
                guard let set, let name = names[set] else { continue }
                let spid = UInt32.random(in: 0..<6, using: &random)
                #expect(
                    fixture.space.find(spid: GuestPASID(truncating: spid), in: name)?.rawValue
                        == model.find(spid, set), comment)
            }
            #expect(fixture.takeEvents().map(\.kind) == expectedEvents, comment)
            try #require(fixture.space.violatedInvariant() == nil, comment)
            #expect(fixture.space.available == model.available, comment)
            compare(fixture.space, model, names, comment)
        }
    }

    private func compare(
        _ space: IOASIDSpace, _ model: ReferenceModel, _ names: [Int: IOASIDSetID], _ comment: Comment
    ) {
        #expect(space.allocatedCount == UInt32(model.entries.count), comment)
        for (raw, entry) in model.entries {
            let description = space.description(of: HostPASID(truncating: raw))
            #expect(description?.referenceCount == UInt32(entry.references), comment)
            #expect(description?.spid?.rawValue == entry.spid, comment)
            #expect(description?.set == names[entry.set], comment)
            let state: IOASIDState =
                entry.isFreePending ? .freePending : entry.references > 1 || entry.spid != nil ? .active : .idle
            #expect(description?.state == state, comment)
        }
    }

    @Test func `The whole space of 2^20 can be allocated, bound and freed, and each number once`() throws {
        let fixture = IOASIDFixture(capacity: IOASIDSpace.capacityMax)
        let set = try fixture.space.allocateSet(token: .null, quota: 0)
        var sum: UInt64 = 0
        for number in UInt32(1)..<IOASIDSpace.capacityMax {
            guard let id = fixture.allocate(in: set) else {
                Issue.record("no IOASID for number \(number)")
                return
            }
            try fixture.attach(id, GuestPASID(truncating: 0xF_FFFF - number))
            sum += UInt64(id.rawValue)
            fixture.events.removeAll()
        }
        #expect(sum == 0xF_FFFF * 0x10_0000 / 2)
        #expect(fixture.allocate(in: set) == nil)
        #expect(fixture.space.violatedInvariant() == nil)
        #expect(fixture.space.find(spid: GuestPASID(truncating: 0), in: set)?.rawValue == 0xF_FFFF)
        try fixture.space.freeAll(in: set, events: &fixture.events)
        #expect(fixture.events.isEmpty)
        #expect(fixture.space.allocatedCount == 0)
        #expect(fixture.space.violatedInvariant() == nil)
    }
}
