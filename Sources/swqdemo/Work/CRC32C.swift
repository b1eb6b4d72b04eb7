/// CRC32C as the demonstration computes it, apart from the device's own (dsa-device §4.4).
enum CRC32C {
    /// The polynomial 0x1EDC6F41, reflected, one entry for each byte.
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { value, _ in value >> 1 ^ (value & 1 == 1 ? 0x82F6_3B78 : 0) }
    }

    /// The usual CRC32C of `bytes`, going on from the value `seed` of the bytes before them; 0 begins.
    static func value(of bytes: ArraySlice<UInt8>, seed: UInt32 = 0) -> UInt32 {
        ~bytes.reduce(~seed) { value, byte in value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)] }
    }
}
