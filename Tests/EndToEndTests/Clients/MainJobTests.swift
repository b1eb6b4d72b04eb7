import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

/// Two guests and a host user share WQ 0 from three operating-system processes.
@Suite struct `The main job` {
    private static let guestPASID: UInt32 = 5
    private static let moveCount = 20

    @Test func `C-14 I-07 M-01 Two guests and a host user in three processes share one work queue, every byte checked`()
        async throws
    {
        // The processes wait for each other, so none may keep another, or this one, from running.
        try await withTaskExecutorPreference(ThreadExecutor()) { try await Self.runThreeProcesses() }
    }

    private static func runThreeProcesses() async throws {
        let daemon = try DaemonProcess.start()
        let admin = try daemon.admin()
        try admin.holdEngines()
        let meeting = try Rendezvous(path: daemon.directory.file("meeting"), count: 3)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (socket, place) = (daemon.socketPath, meeting.path)
            group.addTask {
                await #expect(processExitsWith: .success) { [socket = socket as String, place = place as String] in
                    try Self.work(as: try .hostUser(try WireClient(path: socket)), seed: 1, meetingAt: place)
                }
            }
            for number: UInt64 in 2...3 {
                group.addTask {
                    await #expect(processExitsWith: .success) {
                        [socket = socket as String, place = place as String, number = number as UInt64] in
                        let client = try WireClient(path: socket)
                        let guest = try Submitter.guest(client, guestPASID: Self.guestPASID, name: "guest \(number)")
                        try Self.submitUnbound(guest)
                        try Self.work(as: guest, seed: number, meetingAt: place)
                    }
                }
            }
            try meeting.waitForAll()
            // All have submitted, and nothing has been done yet: they really share the queue.
            #expect(try admin.workQueue().occupancy == UInt32(3 * moveCount))
            try expectOwnPASIDs(try admin.ioasids())
            try admin.holdEngines(false)
            meeting.letGo()
            try await group.waitForAll()
        }
        let status = try admin.status()
        #expect(status.accepted == UInt64(3 * moveCount))
        #expect(status.completed == status.accepted)
        #expect(status.abandoned == 0)
        try expectThreeProcesses(try admin.history())
    }

    /// Queues moves, waits for the others, and checks what has been moved.
    private static func work(as submitter: Submitter, seed: UInt64, meetingAt place: String) throws {
        var generator = SeededGenerator(seed: seed)
        let moves = try (0..<moveCount).map { _ in try submitter.beginMove(&generator, byteCount: 4096) }
        try Rendezvous.meet(at: place)
        for move in moves { try submitter.finish(move) }
    }

    /// A guest PASID that nobody bound: exit 72, ZF = 1.
    private static func submitUnbound(_ guest: Submitter) throws {
        try guest.client.setPASID(guestPASID + 1)
        let refused = try guest.submit()
        #expect(refused.reply.exit.reason == 72)
        #expect(refused.reply.zf)
        try guest.client.setPASID(guestPASID)
    }

    /// Three host PASIDs, two of them for one guest PASID.
    private static func expectOwnPASIDs(_ ioasids: [WireIoasidStatus]) throws {
        #expect(Set(ioasids.map(\.ioasid)).count == 3)
        let guests = ioasids.filter(\.hasVm)
        #expect(guests.map(\.guestPasid) == [guestPASID, guestPASID])
        #expect(Set(guests.map(\.vm)).count == 2)
        #expect(Set(guests.map(\.set)).count == 2)
        #expect(ioasids.filter(\.hasProcess).count == 1)
    }

    /// Bound by three processes, none of them this one.
    private static func expectThreeProcesses(_ history: [WireHistoryEvent]) throws {
        let processes = Set(history.filter { $0.kind == .bind }.map(\.pid))
        #expect(processes.count == 3)
        #expect(!processes.contains(UInt32(ProcessID.current.rawValue)))
    }
}
