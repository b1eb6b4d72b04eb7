/// Text in columns, written in as many pieces as its rows come in. A column is as wide as its widest cell so far.
struct TextTable {
    /// A column: its heading, and on which side its cells stand.
    struct Column: Equatable {
        enum Alignment {
            case left
            case right
        }

        let heading: String
        let alignment: Alignment

        static func left(_ heading: String) -> Column { Column(heading: heading, alignment: .left) }

        static func right(_ heading: String) -> Column { Column(heading: heading, alignment: .right) }
    }

    private let columns: [Column]
    private var widths: [Int]
    private var hasHeading = false

    init(_ columns: [Column]) {
        self.columns = columns
        widths = columns.map(\.heading.count)
    }

    /// A whole table, heading included.
    static func text(_ columns: [Column], _ rows: [[String]]) -> String {
        var table = TextTable(columns)
        return table.text(rows)
    }

    /// The next rows, one line each, below the heading if they are the first.
    mutating func text(_ rows: [[String]]) -> String {
        let rows = rows.map { $0.map(Self.printable) }
        for row in rows {
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) }
        }
        let heading = hasHeading ? [] : [columns.map(\.heading)]
        hasHeading = true
        return (heading + rows).map(line).joined()
    }

    private func line(_ row: [String]) -> String {
        var line = zip(row, zip(columns, widths)).map { cell, shape in
            let padding = String(repeating: " ", count: shape.1 - cell.count)
            return shape.0.alignment == .right ? padding + cell : cell + padding
        }.joined(separator: "  ")
        while line.last == " " { line.removeLast() }
        return line + "\n"
    }

    /// `text` without what a terminal would obey: other clients choose names.
    static func printable(_ text: String) -> String {
        let ascii = UInt8(0x20)..<0x7F
        guard !text.utf8.allSatisfy(ascii.contains), text.unicodeScalars.contains(where: isControl) else { return text }
        return text.unicodeScalars.map { isControl($0) ? "\\u{\(String($0.value, radix: 16))}" : String($0) }.joined()
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: true
        default: false
        }
    }
}
