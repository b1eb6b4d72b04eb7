import Platform
import Protocol
import ProtocolMessages
import TestKit
import Testing

@Suite struct `Many connections` {
    @Test func `1,000 idle and 50 busy connections work at once`() throws {
        try DescriptorLimit.raise()
        let daemon = try DaemonProcess.start()
        let idle = try (0..<1000).map { _ in try daemon.client() }
        let busy = try (0..<50).map { _ in try Submitter.hostUser(try daemon.client(), byteCount: 1 << 16) }
        #expect(try idle[0].status().connections == 1050)
        #expect(Set(busy.map(\.pasid)).count == 50)

        // All have sent before any is answered; then the others', while the first ones' work goes on.
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<4 {
            let moves = try busy.map { try $0.beginMove(&generator, byteCount: 1024) }
            let queries = try idle.map { try $0.send(.queryVersion) }
            for (submitter, move) in zip(busy, moves) { try submitter.finish(move) }
            for (client, query) in zip(idle, queries) {
                _ = try client.receive(query, returning: WireQueryVersionReturn.self)
            }
        }
        let status = try idle[0].status()
        #expect(status.accepted == 200)
        #expect(status.completed == 200)
        #expect(status.inFlight == 0)
    }
}
