/// The operation of a descriptor, byte 7 (DSA 3.0 §8.1). Open: software may submit any byte.
package struct Opcode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let noOp = Self(rawValue: 0x00)
    package static let batch = Self(rawValue: 0x01)
    package static let drain = Self(rawValue: 0x02)
    package static let memoryMove = Self(rawValue: 0x03)
    package static let fill = Self(rawValue: 0x04)
    package static let compare = Self(rawValue: 0x05)
    package static let comparePattern = Self(rawValue: 0x06)
    package static let createDeltaRecord = Self(rawValue: 0x07)
    package static let applyDeltaRecord = Self(rawValue: 0x08)
    package static let dualcast = Self(rawValue: 0x09)
    /// DSA 2.0.
    package static let translationFetch = Self(rawValue: 0x0A)
    package static let crcGeneration = Self(rawValue: 0x10)
    package static let copyWithCRC = Self(rawValue: 0x11)
    package static let difCheck = Self(rawValue: 0x12)
    package static let difInsert = Self(rawValue: 0x13)
    package static let difStrip = Self(rawValue: 0x14)
    package static let difUpdate = Self(rawValue: 0x15)
    package static let cacheFlush = Self(rawValue: 0x20)
}

/// A set of opcodes: OPCAP, and OPCFG of a WQ. Bit n stands for opcode n (DSA 3.0 §9.2.6).
package struct OpcodeSet: Hashable, Sendable, BitwiseCopyable {
    /// Bits 0 to 63. No opcode above 0x3F is defined.
    package var bits: UInt64

    @inlinable
    package init(bits: UInt64) {
        self.bits = bits
    }

    @inlinable
    package func contains(_ opcode: Opcode) -> Bool {
        opcode.rawValue < 64 && bits >> UInt64(opcode.rawValue) & 1 == 1
    }

    /// What DSA 1.0 defines: 0x00-0x09, 0x10-0x15, 0x20 (dsa-device 7.8).
    package static let architectural1 = Self(bits: 0x1_003F_03FF)

    /// The operations this version carries out: those of ``architectural1`` without delta records and DIF.
    package static let emulated = Self(bits: 0x1_0003_027F)
}
