import DSAOracle
import TestKit
import Testing

/// One batch whose list comes page by page, until the client has all of it.
private struct BatchResumptionRun {
    let rig: Rig
    var dice: Dice
    let hasContinuation: Bool
    private(set) var partCount = 0
    private(set) var aloneCount = 0

    init(rig: Rig, dice: Dice, hasContinuation: Bool) {
        self.rig = rig
        self.dice = dice
        self.hasContinuation = hasContinuation
    }

    private var space: Space { rig.spaces[0] }

    /// Runs `testCase` on the model with the whole list in its place, and on the device with pages of it missing.
    /// Returns what differs.
    mutating func difference(_ testCase: DescriptorCase) -> String? {
        defer {
            for page in CaseLayout.listPages { set(.readWrite, page) }
            space.model.undo()
            space.copyAllToDevice()
            rig.clearReports()
        }
        for preset in testCase.presets { space.model.put(preset.bytes, at: preset.address) }
        space.copyAllToDevice()
        let outcome = rig.oracles[0].run(testCase.descriptor.bytes, on: space.model)
        guard let site = outcome.records.last, [0x01, 0x05].contains(outcome.status) else {
            return "the model ended with \(outcome.status)"
        }

        for page in CaseLayout.listPages where dice.chance(70) { spoil(page) }
        var client = ResumingBatchClient(testCase.descriptor, hasContinuation: hasContinuation)
        var last: RecordBytes?
        while true {
            rig.submit(client.descriptor.bytes, to: CaseLayout.sharedQueue)
            guard !client.isAlone else { break }
            let record = RecordBytes(space.record(atOffset: site.offset))
            last = record
            guard record.status == 0x06 else { break }
            guard let page = space.model.page(of: record.faultAddress), CaseLayout.listPages.contains(page),
                space.model.kinds[page] == .absent, !record.isWrite
            else { return "a list fault at \(hexadecimal(record.faultAddress)), which is accessible" }
            set(.readWrite, page)
            space.writeToDevice(Array(repeating: 0, count: 32), atOffset: site.offset)
            partCount += 1
            let hasMore = client.resume(after: record) { address in
                guard let offset = space.model.offset(of: address) else { return Array(repeating: 0, count: 64) }
                return (0..<64).map { space.model.bytes[offset + $0] }
            }
            if client.isAlone {
                aloneCount += 1
                last = nil
            }
            guard hasMore else { break }
        }
        return differenceOfEnd(last, client, outcome, site)
    }

    private func differenceOfEnd(
        _ last: RecordBytes?, _ client: ResumingBatchClient, _ outcome: Outcome, _ site: Outcome.RecordSite
    ) -> String? {
        if let last {
            var words = last.words
            words.0 += client.done << 32
            // Without batch continuation the record knows of the members of its own part only.
            let isOfOnePart = client.done == 0 || hasContinuation
            let isKnown = site.endings.contains { $0.permits(words) }
            let isOfMembers = last.status == 0x01 && outcome.status == 0x05
            guard isKnown || !isOfOnePart && isOfMembers else {
                return "record \(RecordBytes(words)) after \(client.done) members, not \(site.endings)"
            }
        }
        // Members' records are compared as the descriptors' of the other properties; the batch's own has several parts.
        for member in outcome.records.dropLast() {
            let range = member.offset..<member.offset + 32
            if space.model.storedOffsets(in: range, since: member.journalCount).isEmpty,
                !member.endings.contains(where: { $0.permits(space.record(atOffset: member.offset)) })
            {
                return "a member's record is none of \(member.endings)"
            }
            takeOver(range)
        }
        takeOver(site.offset..<site.offset + 32)
        return space.firstDifference(loose: outcome.looseBytes).map { "byte \($0) is \(space.byte(atOffset: $0))" }
    }

    private func takeOver(_ range: Range<Int>) {
        for offset in range { space.model.put(space.byte(atOffset: offset), atOffset: offset) }
    }

    private func spoil(_ page: Int) { set(.absent, page) }

    private func set(_ kind: PageKind, _ page: Int) {
        space.set(kind, page: page)
        rig.invalidate(space, page: page)
    }
}

@Suite("Resumption of a batch list")
struct BatchResumptionTests {
    private static let count = PropertyScale.of(6000)

    @Test
    func `DSA 2.0: a client that resumes a batch at a list fault gets the end of the whole batch, fences included`() {
        var device = CaseDevice.generation2
        device.asksForPages = false
        device.grantedHandles = []
        run(device, hasContinuation: true)
    }

    @Test
    func `DSA 1.0: a client that resumes a batch without fences gets the members' bytes and records`() {
        run(.produced, hasContinuation: false)
    }

    private func run(_ device: CaseDevice, hasContinuation: Bool) {
        let seed = ProcessEnvironment.number("SWQD_ORACLE_SEED") ?? 1
        print("batch resumption: seed \(seed)")
        var setUp = Dice(seed: seed, index: -1)
        let rig = Rig(device, dice: &setUp)
        var parts = 0
        var alone = 0
        let only = ProcessEnvironment.number("SWQD_ORACLE_INDEX").map { Int($0) }
        for index in only.map({ $0..<$0 + 1 }) ?? 0..<Self.count {
            if index % 1000 == 0 || only != nil {
                var dice = Dice(seed: seed, index: -2 - index / 1000)
                rig.refill(&dice)
            }
            let testCase = CaseGenerator.makeResumableBatch(
                seed: seed, index: index, oracle: rig.oracles[0], model: rig.spaces[0].model,
                hasFences: hasContinuation)
            var run = BatchResumptionRun(
                rig: rig, dice: Dice(seed: ~seed, index: index), hasContinuation: hasContinuation)
            let difference = run.difference(testCase)
            parts += run.partCount
            alone += run.aloneCount
            guard difference == nil else {
                Issue.record("seed \(seed), batch \(index): \(difference ?? "")\n\(testCase)")
                return
            }
        }
        print("batch resumption: \(Self.count) batches, \(parts) list faults, \(alone) last members alone")
        if only == nil { #expect(parts > Self.count / 2 && alone > Self.count / 40) }
    }
}
