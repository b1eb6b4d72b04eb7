/// The operation of a descriptor, byte 7 (DSA 3.0 §8.1). Open: software may submit any byte.
public struct Opcode: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The operation's code, 0 to 0xFF; 0x3F is the highest that OPCAP has a bit for.
    public let rawValue: UInt8

    /// The operation with this code, defined or not.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Does nothing, and completes.
    @inlinable public static var noOp: Self { Self(rawValue: 0x00) }
    /// Carries out the descriptors of a list in memory (DSA 3.0 §8.3.2).
    @inlinable public static var batch: Self { Self(rawValue: 0x01) }
    /// Waits for the earlier descriptors of its WQ and PASID (DSA 3.0 §8.3.3).
    @inlinable public static var drain: Self { Self(rawValue: 0x02) }
    /// Copies source to destination (DSA 3.0 §8.3.4).
    @inlinable public static var memoryMove: Self { Self(rawValue: 0x03) }
    /// Fills the destination with a pattern.
    @inlinable public static var fill: Self { Self(rawValue: 0x04) }
    /// Finds the first difference between two sources.
    @inlinable public static var compare: Self { Self(rawValue: 0x05) }
    /// Finds the first difference between the source and a pattern.
    @inlinable public static var comparePattern: Self { Self(rawValue: 0x06) }
    /// Writes down how two sources differ (DSA 3.0 §8.3.8).
    @inlinable public static var createDeltaRecord: Self { Self(rawValue: 0x07) }
    /// Changes the destination as a delta record says (DSA 3.0 §8.3.9).
    @inlinable public static var applyDeltaRecord: Self { Self(rawValue: 0x08) }
    /// Copies the source to two destinations.
    @inlinable public static var dualcast: Self { Self(rawValue: 0x09) }
    /// Fetches the translations of a region before they are needed (DSA 2.0).
    @inlinable public static var translationFetch: Self { Self(rawValue: 0x0A) }
    /// Computes the CRC of the source (DSA 3.0 §8.3.12).
    @inlinable public static var crcGeneration: Self { Self(rawValue: 0x10) }
    /// Copies source to destination and computes the CRC of the bytes.
    @inlinable public static var copyWithCRC: Self { Self(rawValue: 0x11) }
    /// Checks the data integrity fields of the source (DSA 3.0 §8.3.14).
    @inlinable public static var difCheck: Self { Self(rawValue: 0x12) }
    /// Copies source to destination and adds data integrity fields (DSA 3.0 §8.3.15).
    @inlinable public static var difInsert: Self { Self(rawValue: 0x13) }
    /// Copies source to destination without its data integrity fields (DSA 3.0 §8.3.16).
    @inlinable public static var difStrip: Self { Self(rawValue: 0x14) }
    /// Copies source to destination with new data integrity fields (DSA 3.0 §8.3.17).
    @inlinable public static var difUpdate: Self { Self(rawValue: 0x15) }
    /// Evicts the lines of the destination from the processor caches.
    @inlinable public static var cacheFlush: Self { Self(rawValue: 0x20) }
}

/// A set of opcodes: OPCAP, and OPCFG of a WQ. Bit n stands for opcode n (DSA 3.0 §9.2.6).
public struct OpcodeSet: Hashable, Sendable, BitwiseCopyable {
    /// Bits 0 to 63. No opcode above 0x3F is defined.
    public var bits: UInt64

    /// The opcodes whose bits are 1.
    @inlinable
    public init(bits: UInt64) {
        self.bits = bits
    }

    /// Whether `opcode` is in the set; none above 0x3F is.
    @inlinable
    public func contains(_ opcode: Opcode) -> Bool {
        opcode.rawValue < 64 && bits >> UInt64(opcode.rawValue) & 1 == 1
    }

    /// What DSA 1.0 defines: 0x00-0x09, 0x10-0x15, 0x20 (dsa-device 7.8).
    public static let architectural1 = Self(bits: 0x1_003F_03FF)

    /// The operations this version carries out: those of DSA 1.0, and Translation Fetch of DSA 2.0.
    public static let emulated = architectural2
}
