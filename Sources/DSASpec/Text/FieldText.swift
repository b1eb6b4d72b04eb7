/// One field of a descriptor or completion record, for people: what `swqctl explain` prints as a line.
public struct FieldText: Hashable, Sendable {
    /// The specification's name of the field.
    public let name: String
    /// The field's bytes, from the start of the descriptor or record.
    public let bytes: ClosedRange<Int>
    /// The field's value, hexadecimal unless it is a count.
    public let value: String
    /// What the value stands for; empty when the value says it all.
    public let meaning: String

    /// A field with its bytes, value and meaning.
    public init(_ name: String, bytes: ClosedRange<Int>, value: String, meaning: String = "") {
        self.name = name
        self.bytes = bytes
        self.value = value
        self.meaning = meaning
    }
}

/// `value` as `0x` and at least `digits` hexadecimal digits.
func hexadecimal(_ value: UInt64, digits: Int = 1) -> String {
    let text = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, digits - text.count)) + text
}
