import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit

extension HistoryVerdict {
    /// Nothing is in force after the restart. What the dead daemon left bound was known to hold while it is known to
    /// have lived, and from then to the restart the answer is `unknown`.
    mutating func checkIntervals(_ left: [WireHistoryEvent], with client: WireClient) throws {
        let now = try Self.bindings(WireQueryBindingsArguments(), client)
        expect(now.isEmpty, "open after the restart: \(now)")
        guard let first = left.first, let last = left.last else { return }

        let atBind = try Self.bindings(.with { ($0.ioasid, $0.asOf) = (last.ioasid, last.time) }, client)
        guard atBind.count == 1, atBind[0].boundSequence == last.sequence, atBind[0].certainty == .known,
            atBind[0].unboundCause == .daemonRestart, let lastAlive = UTCTime.nanoseconds(atBind[0].lastAliveTime),
            let restart = UTCTime.nanoseconds(atBind[0].unboundTime), lastAlive + 1 < restart
        else {
            expect(false, "at the time of its bind \(last) was in force as \(atBind)")
            return
        }
        let between = UTCTime.text(nanoseconds: lastAlive + (restart - lastAlive) / 2)
        let all = try Self.bindings(
            .with {
                $0.asOf = between
                $0.limit = 1000
            }, client)
        let one = try Self.bindings(.with { ($0.ioasid, $0.asOf) = (first.ioasid, between) }, client)
        expect(
            all.map(\.boundSequence) == left.map(\.sequence) && one.map(\.boundSequence) == [first.sequence],
            "left open were \(left.map(\.sequence)); between life and restart: \(all), \(one)")
        expect(
            (all + one).allSatisfy { $0.certainty == .unknown }, "known between life and restart: \(all), \(one)")
    }

    private static func bindings(
        _ arguments: WireQueryBindingsArguments, _ client: WireClient
    ) throws -> [WireBinding] {
        try client.call(.queryBindings(arguments), returning: WireQueryBindingsReturn.self).bindings
    }
}
