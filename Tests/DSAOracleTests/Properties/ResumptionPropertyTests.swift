import DSAOracle
import PCIe
import TestKit
import Testing

/// One operation on pages that come and go, until the client has all of it.
private struct ResumptionRun {
    let rig: Rig
    var dice: Dice
    /// How often a page may go away again.
    private var budget = 6
    private(set) var partCount = 0
    private(set) var requestCount = 0

    private var space: Space { rig.spaces[0] }

    init(rig: Rig, dice: Dice) {
        self.rig = rig
        self.dice = dice
    }

    /// Runs `testCase` on the model with every page in its place, and on the device with pages missing. Returns what
    /// differs.
    mutating func difference(_ testCase: DescriptorCase, pages: [Int]) -> String? {
        defer {
            for page in pages { set(.readWrite, page) }
            space.model.undo()
            space.copyAllToDevice()
            rig.clearReports()
        }
        for preset in testCase.presets { space.model.put(preset.bytes, at: preset.address) }
        space.copyAllToDevice()
        let outcome = rig.oracles[0].run(testCase.descriptor.bytes, on: space.model)
        guard let site = outcome.records.first else { return "the model wrote no record" }

        for page in pages where dice.chance(60) { spoil(page) }
        var client = ResumingClient(testCase.descriptor)
        while true {
            submit(client.descriptor)
            let record = RecordBytes(space.record(atOffset: site.offset))
            rebase(client.deltaEntries(of: record))
            guard record.isPartial else {
                return difference(record, client, site, outcome)
            }
            // A block that fails its check is not written. Whether its destination is looked at before is open, so a
            // destination outside the space may fault where the model ends with the check: there is nothing to resume.
            guard let page = space.model.page(of: record.faultAddress) else { return nil }
            guard space.model.kinds[page] != .readWrite else {
                return "a fault at \(hexadecimal(record.faultAddress)), which is accessible"
            }
            set(.readWrite, page)
            if budget > 0, dice.chance(20) {
                budget -= 1
                spoil(dice.pick(pages))
                if space.model.kinds[page] != .readWrite { set(.readWrite, page) }
            }
            client.resume(after: record)
            partCount += 1
            space.writeToDevice(Array(repeating: 0, count: 32), atOffset: site.offset)
        }
    }

    /// Of the memory, and of the parts' record put together with that of the one undisturbed descriptor.
    private func difference(
        _ record: RecordBytes, _ client: ResumingClient, _ site: Outcome.RecordSite, _ outcome: Outcome
    ) -> String? {
        var loose: [Int: UInt8] = [:]
        // What is left of a delta buffer may be too small for the rest; then the rest is for the client.
        let isRefused = record.status == 0x15 && client.recordSize > 0
        if isRefused {
            for store in space.model.journal where loose[store.offset] == nil { loose[store.offset] = store.old }
        } else if !site.endings.contains(where: { $0.permits(client.total(record).words) }) {
            return "record \(client.total(record)) after \(client.done) bytes, not \(site.endings)"
        }
        for index in 0..<32 {
            space.model.put(space.byte(atOffset: site.offset + index), atOffset: site.offset + index)
        }
        return space.firstDifference(loose: loose).map { "byte \($0) is \(space.byte(atOffset: $0))" }
    }

    /// The owner of the address space gives most of the pages that are asked for.
    private mutating func submit(_ descriptor: RawDescriptor) {
        rig.submit(descriptor.bytes, to: CaseLayout.sharedQueue) { request in
            requestCount += 1
            guard let page = space.model.page(of: request.address.rawValue), dice.chance(70) else {
                return .invalidRequest
            }
            set(.readWrite, page)
            return .success
        }
    }

    private mutating func spoil(_ page: Int) {
        set(dice.pick([.absent, .absent, .readOnly, .supervisorReadWrite]), page)
    }

    private func set(_ kind: PageKind, _ page: Int) {
        space.set(kind, page: page)
        rig.invalidate(space, page: page)
    }

    /// A part's entries of a delta record count from the part's own start.
    private func rebase(_ entries: ResumingClient.DeltaEntries?) {
        guard let entries, entries.blocks > 0 else { return }
        for index in 0..<entries.count {
            guard let offset = space.model.offset(of: entries.address + index * 10) else { return }
            // An entry may lie across two pages.
            let second = space.model.offset(of: entries.address + index * 10 + 1) ?? offset
            let number =
                UInt64(space.byte(atOffset: offset)) + UInt64(space.byte(atOffset: second)) << 8 + entries.blocks
            space.writeToDevice([UInt8(truncatingIfNeeded: number)], atOffset: offset)
            space.writeToDevice([UInt8(truncatingIfNeeded: number >> 8)], atOffset: second)
        }
    }
}

@Suite("Resumption")
struct ResumptionPropertyTests {
    private static let count = PropertyScale.of(20_000)

    @Test
    func `A client that resumes at any fault gets the bytes and the record of an undisturbed run`() {
        let (parts, _) = run(CaseDevice.produced, flags: 0)
        #expect(parts > Self.count / 4)
    }

    @Test
    func `With Block On Fault and pages that come or do not, the end is that of an undisturbed run`() {
        var device = CaseDevice.produced
        device.asksForPages = true
        let (parts, requests) = run(device, flags: 1 << Flag.blockOnFault)
        #expect(requests > Self.count / 4 && parts > Self.count / 20)
    }

    @Test
    func `A device that stops at multiples of 64 bytes resumes to the same end`() {
        var device = CaseDevice.produced
        device.stopsAtLines = true
        let (parts, _) = run(device, flags: 0)
        #expect(parts > Self.count / 4)
    }

    @Test
    func `DSA 2.0: a client that resumes at any fault gets the end of an undisturbed run`() {
        var device = CaseDevice.generation2
        device.asksForPages = false
        let (parts, _) = run(device, flags: 0)
        #expect(parts > Self.count / 4)
    }

    private func run(_ device: CaseDevice, flags: UInt32) -> (parts: Int, requests: Int) {
        let seed = ProcessEnvironment.number("SWQD_ORACLE_SEED") ?? 1
        print("resumption: seed \(seed)")
        var setUp = Dice(seed: seed, index: -1)
        let rig = Rig(device, dice: &setUp)
        var parts = 0
        var requests = 0
        let only = ProcessEnvironment.number("SWQD_ORACLE_INDEX").map { Int($0) }
        for index in only.map({ $0..<$0 + 1 }) ?? 0..<Self.count {
            if index % 1000 == 0 || only != nil {
                var dice = Dice(seed: seed, index: -2 - index / 1000)
                rig.refill(&dice)
            }
            let (testCase, pages) = CaseGenerator.makeResumable(
                seed: seed, index: index, oracle: rig.oracles[0], model: rig.spaces[0].model, flags: flags)
            var run = ResumptionRun(rig: rig, dice: Dice(seed: ~seed, index: index))
            let difference = run.difference(testCase, pages: pages)
            parts += run.partCount
            requests += run.requestCount
            guard difference == nil else {
                Issue.record("seed \(seed), operation \(index): \(difference ?? "")\n\(testCase)")
                break
            }
        }
        print("resumption: \(Self.count) operations, \(parts) partial completions, \(requests) page requests")
        return (parts, requests)
    }
}
