/// The CRC of dsa-device §4.4: a register that shifts to the left, one bit at a time.
struct CRCModel {
    private let width: UInt64
    private let polynomial: UInt64
    private let bypassesInversion: Bool
    private let bypassesReflection: Bool
    private var register: UInt64

    init(is64: Bool, seed: UInt64, bypassesInversion: Bool, bypassesReflection: Bool) {
        width = is64 ? 64 : 32
        polynomial = is64 ? 0xAD93_D235_94C9_3659 : 0x1EDC_6F41
        self.bypassesInversion = bypassesInversion
        self.bypassesReflection = bypassesReflection
        register = 0
        register = bypassesInversion ? seed : reversed(~seed & mask, width: width)
    }

    private var mask: UInt64 { UInt64.max >> (64 - width) }

    mutating func append(_ byte: UInt8) {
        let entering = bypassesReflection ? UInt64(byte) : reversed(UInt64(byte), width: 8)
        register ^= entering << (width - 8)
        for _ in 0..<8 {
            let carry = register >> (width - 1) & 1
            register = register << 1 & mask
            if carry == 1 { register ^= polynomial }
        }
    }

    var value: UInt64 { bypassesInversion ? register : ~reversed(register, width: width) & mask }

    private func reversed(_ value: UInt64, width: UInt64) -> UInt64 {
        var result: UInt64 = 0
        for bit in 0..<width { result |= (value >> bit & 1) << (width - 1 - bit) }
        return result
    }
}

/// CRC-16/T10-DIF over `data` (dsa-device §4.5): polynomial 0x8BB7, no reflection.
func guardTag(_ data: [UInt8], invertsSeed: Bool, invertsResult: Bool) -> UInt16 {
    var register: UInt16 = invertsSeed ? 0xFFFF : 0
    for byte in data {
        register ^= UInt16(byte) << 8
        for _ in 0..<8 {
            let carry = register >> 15
            register <<= 1
            if carry == 1 { register ^= 0x8BB7 }
        }
    }
    return invertsResult ? ~register : register
}
