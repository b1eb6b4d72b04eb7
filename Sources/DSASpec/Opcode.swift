/// The operation of a descriptor, byte 7 (DSA 3.0 §8.1). Open: software may submit any byte.
public struct Opcode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    public static let noOp = Self(rawValue: 0x00)
    public static let batch = Self(rawValue: 0x01)
    public static let drain = Self(rawValue: 0x02)
    public static let memoryMove = Self(rawValue: 0x03)
    public static let fill = Self(rawValue: 0x04)
    public static let compare = Self(rawValue: 0x05)
    public static let comparePattern = Self(rawValue: 0x06)
    public static let createDeltaRecord = Self(rawValue: 0x07)
    public static let applyDeltaRecord = Self(rawValue: 0x08)
    public static let dualcast = Self(rawValue: 0x09)
    /// DSA 2.0.
    public static let translationFetch = Self(rawValue: 0x0A)
    public static let crcGeneration = Self(rawValue: 0x10)
    public static let copyWithCRC = Self(rawValue: 0x11)
    public static let difCheck = Self(rawValue: 0x12)
    public static let difInsert = Self(rawValue: 0x13)
    public static let difStrip = Self(rawValue: 0x14)
    public static let difUpdate = Self(rawValue: 0x15)
    public static let cacheFlush = Self(rawValue: 0x20)
}

/// A set of opcodes: OPCAP, and OPCFG of a WQ. Bit n stands for opcode n (DSA 3.0 §9.2.6).
public struct OpcodeSet: Hashable, Sendable, BitwiseCopyable {
    /// Bits 0 to 63. No opcode above 0x3F is defined.
    public var bits: UInt64

    @inlinable
    public init(bits: UInt64) {
        self.bits = bits
    }

    @inlinable
    public func contains(_ opcode: Opcode) -> Bool {
        opcode.rawValue < 64 && bits >> UInt64(opcode.rawValue) & 1 == 1
    }

    /// What DSA 1.0 defines: 0x00-0x09, 0x10-0x15, 0x20 (dsa-device 7.8).
    public static let architectural1 = Self(bits: 0x1_003F_03FF)

    /// The operations this version carries out: those of ``architectural1`` without delta records and DIF.
    public static let emulated = Self(bits: 0x1_0003_027F)
}
