import DSASpec
import Platform
import Protocol
import ProtocolMessages
import TestKit
import Testing

@Suite struct `Rings of hostile clients` {
    private let daemon: DaemonProcess
    private let admin: WireClient
    private let witness: Submitter
    private let witnessRing: RingClient
    private let attacker: Submitter
    private let ring: RingClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
        try admin.subscribe("RING_CORRUPTED", "PROCESS_DESTROYED")
        witness = try .hostUser(try daemon.client())
        witnessRing = try RingClient(witness.client)
        attacker = try .hostUser(try daemon.client())
        ring = try RingClient(attacker.client)
    }

    /// The witness works as if nothing had happened.
    private func expectWitnessUnharmed() throws {
        let record = try witness.reserve(64)
        #expect(witnessRing.enqcmd(.noOp(record: record), to: witness.portal) == .accepted)
        #expect(try witness.client.completion(at: record).status == .success)
    }

    /// Bytes of a slot that no program writes which uses the ring.
    struct Corruption: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let offset: Int
        let bytes: [UInt8]

        init(_ description: String, at offset: Int, _ bytes: [UInt8]) {
            testDescription = description
            self.offset = offset
            self.bytes = bytes
        }
    }

    static let corruptions = [
        Corruption("no kind", at: 4, [0]),
        Corruption("a kind that does not exist", at: 4, [4]),
        Corruption("a posted ENQCMD", at: 5, [1]),
        Corruption("a flag that does not exist", at: 4, [3, 0x80]),
        Corruption("reserved bytes", at: 6, [0, 1]),
        Corruption("a free slot", at: 0, [0, 0, 0, 0]),
        Corruption("an answered slot", at: 0, [16, 0, 0, 0]),
        Corruption("a state that does not exist", at: 0, [0xFF, 0xFF, 0xFF, 0xFF]),
    ]

    @Test(arguments: corruptions)
    func `A slot with a word that no program writes ends its client, and nobody else notices`(
        _ corruption: Corruption
    ) throws {
        ring.fill(40, Descriptor(), to: attacker.portal)
        ring.write(corruption.bytes, inSlot: 40, at: corruption.offset)
        try ring.publish(1 << 40)
        let own = try attacker.client.nextEvent("RING_CORRUPTED").decode(WireRingCorruptedEvent.self)
        #expect(own.slot == 40)
        try attacker.client.waitForClose()
        let seen = try admin.nextEvent("RING_CORRUPTED").decode(WireRingCorruptedEvent.self)
        #expect(seen.connection == own.connection)
        // Its PASID went with it.
        _ = try admin.nextEvent("PROCESS_DESTROYED")
        #expect(try admin.ioasids().count == 1)
        // A slot that was right is answered, behind the wrong one or not.
        #expect(ring.enqcmd(Descriptor(), to: attacker.portal) == .detached)
        try expectWitnessUnharmed()
    }

    @Test func `What was published together with a corrupted slot is answered`() throws {
        // In the order of their tickets, which are all 0: by their numbers.
        ring.fill(1, Descriptor(), to: attacker.portal)
        ring.fill(2, Descriptor(), to: attacker.portal)
        ring.fill(3, Descriptor(), to: attacker.portal)
        ring.write([9], inSlot: 2, at: 4)
        try ring.publish(0b1110)
        try attacker.client.waitForClose()
        #expect(ring.state(ofSlot: 1) == 16)
        #expect(ring.state(ofSlot: 3) == 21)
        try expectWitnessUnharmed()
    }

    @Test func `Words that only the client reads do it no good and nobody else harm`() throws {
        // Header, free slots, sleepers, ticket, and what the daemon says: all ones.
        ring.write([UInt8](repeating: 0xFF, count: 128), at: 0)
        ring.write([UInt8](repeating: 0xFF, count: 3960), at: 136)
        let record = try attacker.reserve(64)
        ring.fill(7, .noOp(record: record), to: attacker.portal)
        try ring.publish(1 << 7)
        #expect(try attacker.client.completion(at: record).status == .success)
        try expectWitnessUnharmed()
    }

    @Test func `A bell that waits to be read, or that rings without end, stops nobody`() throws {
        try ring.makeBellBlocking()
        // Full but for one: the next write waits, if it is the client's.
        try ring.ringBell(UInt64.max - 1)
        try expectWitnessUnharmed()
        let other = try RingClient(Submitter.hostUser(try daemon.client()).client)
        for _ in 0..<10_000 { try other.ringBell() }
        try expectWitnessUnharmed()
    }

    @Test(arguments: [UInt64(11), 12, 13, 14])
    func `Random words anywhere in the ring end nobody but their writer`(_ seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<40 {
            let writer = try Submitter.hostUser(try daemon.client())
            let ring = try RingClient(writer.client)
            for slot in 0..<RingClient.slotCount { ring.fill(slot, Descriptor(), to: writer.portal) }
            for _ in 0..<Int.random(in: 0..<200, using: &generator) {
                let place = Int.random(in: 0..<RingClient.byteCount / 8, using: &generator) * 8
                ring.write(generator.bytes(8), at: place)
            }
            try ring.publish(generator.next())
            // Answered or closed, but no hang.
            _ = try? writer.client.status()
        }
        #expect(try admin.status().inFlight == 0, "seed \(seed)")
        try expectWitnessUnharmed()
    }
}
