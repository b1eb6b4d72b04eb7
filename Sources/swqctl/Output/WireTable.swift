internal import Protocol

/// A table of wire objects, one row each: which members it shows, under which headings.
///
/// It works on the reply itself and not on a message of this build, so that values which only a newer daemon knows are
/// shown as it wrote them.
struct WireTable {
    /// A column: a heading, and the member that it shows.
    struct Column {
        let member: String
        let shape: TextTable.Column
        /// The member is an exponent of two.
        let isPower: Bool

        static func left(_ heading: String, _ member: String) -> Column {
            Column(member: member, shape: .left(heading), isPower: false)
        }

        static func right(_ heading: String, _ member: String) -> Column {
            Column(member: member, shape: .right(heading), isPower: false)
        }

        /// An exponent of two, written `2^31`.
        static func power(_ heading: String, _ member: String) -> Column {
            Column(member: member, shape: .right(heading), isPower: true)
        }

        /// The cell of this column in the row of `object`.
        func cell(of object: JSONValue) -> String {
            let cell = WireText.cell(object[member])
            return isPower && object[member] != nil ? "2^" + cell : cell
        }
    }

    /// The columns, from the left.
    let columns: [Column]
    private var table: TextTable

    init(_ columns: [Column]) {
        self.columns = columns
        table = TextTable(columns.map(\.shape))
    }

    /// A whole table of the elements of an array.
    static func text(_ columns: [Column], _ objects: JSONValue?) -> String {
        var table = WireTable(columns)
        return table.text(objects)
    }

    /// Rows for the elements of an array; nothing for anything else, as an absent member is an empty array.
    mutating func text(_ objects: JSONValue?) -> String {
        table.text((objects?.elements ?? []).map { object in columns.map { $0.cell(of: object) } })
    }
}

/// Wire values as text for people.
enum WireText {
    /// What stands for an absent member.
    static let absent = "-"

    /// A value in a cell.
    static func cell(_ value: JSONValue?) -> String {
        switch value {
        case nil, .null: absent
        case .bool(let flag): flag ? "yes" : "no"
        case .number(let text), .string(let text): text
        case .array(let elements): elements.isEmpty ? absent : elements.map { cell($0) }.joined(separator: ",")
        case .object: value?.description ?? absent
        }
    }

    /// The members of an object, one a line: `last durable sequence  42`.
    static func members(_ object: JSONValue) -> String {
        guard case .object(let members) = object else { return cell(object) + "\n" }
        let width = members.map { words($0.name).count }.max() ?? 0
        return members.map { member in
            let name = words(member.name)
            return name + String(repeating: " ", count: width - name.count + 2)
                + TextTable.printable(cell(member.value)) + "\n"
        }.joined()
    }

    /// The members of an object on one line: `ioasid=7 set=1`.
    static func assignments(_ object: JSONValue) -> String {
        guard case .object(let members) = object else { return "" }
        return members.map { "\($0.name)=\(TextTable.printable(cell($0.value)))" }.joined(separator: " ")
    }

    /// The words of a member's name: `lastDurableSequence`, `last durable sequence`.
    static func words(_ name: String) -> String {
        name.map { $0.isUppercase ? " " + $0.lowercased() : String($0) }.joined()
    }
}

extension JSONValue {
    /// The elements of an array; none for anything else.
    var elements: [JSONValue] {
        guard case .array(let elements) = self else { return [] }
        return elements
    }
}
