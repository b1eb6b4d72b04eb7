internal import Foundation

/// Tenants against accepted descriptors per second and retry rate, as SVG.
struct Plot {
    private let series: [Series]
    private static let width = 860.0
    private static let height = 560.0
    private static let left = 90.0
    private static let right = 780.0
    private static let top = 60.0
    private static let bottom = 430.0
    private static let colours = ["#b03a2e", "#1f618d", "#1e8449"]

    init(_ series: [Series]) {
        self.series = series
    }

    func write(to path: String) throws {
        try FileManager.default.createDirectory(
            at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private var tenantsMax: Double { Double(max(10, series.flatMap(\.points).map(\.tenants).max() ?? 10)) }

    private var rateMax: Double { max(1, series.flatMap(\.points).map(\.acceptedPerSecond).max() ?? 1) * 1.1 }

    private func x(_ tenants: Int) -> Double {
        Self.left + (Self.right - Self.left) * log10(Double(tenants)) / log10(tenantsMax)
    }

    private func y(_ share: Double) -> Double { Self.bottom - (Self.bottom - Self.top) * share }

    private var text: String {
        var lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(Self.width)\" height=\"\(Self.height)\" "
                + "font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>",
            label(Self.left, 28, "Tenants of one device: descriptors accepted per second, and retries", size: 16),
        ]
        lines += axes
        for (index, one) in series.enumerated() {
            let colour = Self.colours[index % Self.colours.count]
            lines.append(line(one.points.map { (x($0.tenants), y($0.acceptedPerSecond / rateMax)) }, colour, dash: nil))
            lines.append(line(one.points.map { (x($0.tenants), y($0.retryRate)) }, colour, dash: "5,4"))
            if let last = one.points.last, one.refusal != nil {
                let end = (x(last.tenants), y(last.acceptedPerSecond / rateMax))
                lines.append("<circle cx=\"\(end.0)\" cy=\"\(end.1)\" r=\"5\" fill=\"\(colour)\"/>")
            }
            let note = one.refusal.map { "refuses the next: \($0)" } ?? "refuses nobody"
            let row = Self.bottom + 55 + Double(index) * 20
            lines.append("<rect x=\"\(Self.left)\" y=\"\(row - 10)\" width=\"14\" height=\"10\" fill=\"\(colour)\"/>")
            lines.append(label(Self.left + 22, row, "\(one.scheme.name), \(one.points.last?.tenants ?? 0): \(note)"))
        }
        lines.append("</svg>\n")
        return lines.joined(separator: "\n")
    }

    private var axes: [String] {
        var lines = [
            "<path d=\"M\(Self.left),\(Self.top) V\(Self.bottom) H\(Self.right) V\(Self.top)\" fill=\"none\" "
                + "stroke=\"black\"/>",
            label(Self.left, Self.top - 8, "accepted per second (solid)"),
            label(Self.right - 90, Self.top - 8, "retry rate (dashed)"),
            label((Self.left + Self.right) / 2 - 30, Self.bottom + 34, "tenants"),
        ]
        var decade = 1
        while Double(decade) <= tenantsMax {
            lines.append(label(x(decade) - 6, Self.bottom + 17, "\(decade)"))
            decade *= 10
        }
        for step in 0...4 {
            let share = Double(step) / 4
            lines.append(label(14, y(share) + 4, "\(Int(rateMax * share))"))
            lines.append(label(Self.right + 8, y(share) + 4, "\(step * 25) %"))
        }
        return lines
    }

    private func label(_ x: Double, _ y: Double, _ text: String, size: Int = 12) -> String {
        let escaped = text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
        return "<text x=\"\(x)\" y=\"\(y)\" font-size=\"\(size)\">\(escaped)</text>"
    }

    private func line(_ points: [(Double, Double)], _ colour: String, dash: String?) -> String {
        let path = points.map { "\($0.0),\($0.1)" }.joined(separator: " ")
        let style = dash.map { " stroke-dasharray=\"\($0)\"" } ?? ""
        return "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"\(style)/>"
    }
}
