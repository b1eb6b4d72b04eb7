/// What the walker knows about a message: its members by name, and which of them must be there.
struct MessageSchema: Sendable {
    /// Full name, such as `swq.v1.MapPortalArguments`.
    let name: String

    /// All members.
    let fields: [FieldSchema]

    /// Groups of members of which exactly one must be given.
    let choices: [Choice]

    /// Members that must be given, bit n for `fields[n]`.
    let required: FieldMask

    /// A return message that is written as its `items` alone.
    let isBareArray: Bool

    /// Index of a member.
    func field(named name: Range<Int>, in text: Span<UInt8>) -> Int? {
        for index in fields.indices where text.equals(fields[index].nameBytes, in: name) { return index }
        return nil
    }

    /// Members of which exactly one must be given.
    struct Choice: Sendable {
        /// The members, bit n for `fields[n]`.
        let members: FieldMask
    }
}

/// A set of members of one message, bit n for member n.
typealias FieldMask = UInt64

/// What the walker knows about a member.
struct FieldSchema: Sendable {
    /// Name on the wire, lowerCamelCase.
    let name: String

    /// The same as bytes.
    let nameBytes: [UInt8]

    /// The value is an array.
    let isRepeated: Bool

    /// Elements of an array that are accepted.
    let elements: ClosedRange<UInt64>

    /// What the value, or each element, is.
    let kind: Kind

    /// What a value is, and which values are accepted.
    enum Kind: Sendable {
        case bool
        /// A number of 32 bits.
        case uint32(ClosedRange<UInt64>)
        /// A number of 64 bits, as a number or as a string of digits.
        case uint64(ClosedRange<UInt64>)
        /// Text, by length in Unicode scalars. Never with U+0000: it ends up in paths.
        case string(ClosedRange<UInt64>)
        /// `0x...` of at most so many bits.
        case hexadecimal(bits: UInt32)
        /// A time in UTC.
        case time
        /// Base64, by length in bytes.
        case bytes(ClosedRange<UInt64>)
        /// One of these names.
        case enumeration([[UInt8]])
        /// Another message, by index in the set.
        case message(Int)
    }
}
