/// An address on the wire.
struct WireAddress: Decodable {
    let value: UInt64

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard text.hasPrefix("0x"), let value = UInt64(text.dropFirst(2), radix: 16) else {
            throw BenchError("\(text) is no address")
        }
        self.value = value
    }
}

/// A 64-bit number on the wire: text, so that programs with 53 bits keep all of it.
struct WireCount: Decodable {
    let value: UInt64

    init(from decoder: any Decoder) throws {
        let text = try decoder.singleValueContainer().decode(String.self)
        guard let value = UInt64(text) else { throw BenchError("\(text) is no number") }
        self.value = value
    }
}
