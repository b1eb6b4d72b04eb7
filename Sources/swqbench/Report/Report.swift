internal import FoundationEssentials

/// All rows of a run.
struct Report {
    var rows: [Row] = []
    /// Rows that could not be measured, and why.
    var failures: [(name: String, reason: String)] = []

    /// Writes the rows as a JSON array.
    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try (encoder.encode(rows) + Data("\n".utf8)).write(to: URL(filePath: path))
    }

    /// The rows for people.
    func table() -> String {
        let heading = ["row", "value", "peer", "ratio", "target", "", "unit", "beside", "spread", "remarks"]
        let table = TextTable(
            rows: [heading] + rows.map(Self.cells), rightAligned: [1, 2, 3, 4])
        var text = table.text()
        text += "ratio: how many times as good as the peer; spread: (most - least) / median of the runs\n"
        for failure in failures { text += "FAILED \(failure.name): \(failure.reason)\n" }
        let missed = rows.filter { !$0.holds }.map(\.name)
        text += missed.isEmpty ? "" : "MISSED the target: \(missed.joined(separator: ", "))\n"
        let targets = rows.filter { $0.target != nil }
        text += "bench: \(rows.count) rows, \(targets.filter(\.holds).count) of \(targets.count) targets hold"
        return text + ", \(failures.count) failed\n"
    }

    private static func cells(_ row: Row) -> [String] {
        [
            row.name, significant(row.value), row.peerValue.map(significant) ?? "-", row.ratio.map(fixed) ?? "-",
            row.target.map(fixed) ?? "-", row.target == nil && row.holds ? "" : row.holds ? "holds" : "MISSED",
            row.unit, row.peer ?? "-",
            percent(row.spread) + (row.peerSpread.map { " / " + percent($0) } ?? ""), row.note,
        ]
    }

    /// Three digits or all of the integer part.
    static func significant(_ value: Double) -> String {
        switch value.magnitude {
        case 100...: decimal(value, places: 0)
        case 10..<100: decimal(value, places: 1)
        default: decimal(value, places: 2)
        }
    }

    private static func fixed(_ value: Double) -> String { decimal(value, places: 2) }

    private static func percent(_ value: Double) -> String { decimal(value * 100, places: 0) + " %" }

    static func decimal(_ value: Double, places: Int) -> String {
        guard value.isFinite else { return "\(value)" }
        let scale = (0..<places).reduce(1.0) { scale, _ in scale * 10 }
        let scaled = Int((value.magnitude * scale).rounded())
        let sign = value < 0 && scaled > 0 ? "-" : ""
        guard places > 0 else { return sign + String(scaled) }
        let fraction = String(scaled % Int(scale))
        let zeros = String(repeating: "0", count: places - fraction.count)
        return "\(sign)\(scaled / Int(scale)).\(zeros)\(fraction)"
    }
}
