/// DIF Flags, descriptor byte 42 (DSA 3.0 §8.3.14): the blocks of a DIF operation and how their guards are computed,
/// the one that is checked and the one that is written alike.
public struct DIFFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Bits 7:4 are reserved.
    public let rawValue: UInt8

    /// The flags of the byte.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Bits 1:0: blocks of 520 bytes instead of 512.
    public static let block520 = Self(rawValue: 1)
    /// Bits 1:0: blocks of 4096 bytes instead of 512.
    public static let block4096 = Self(rawValue: 2)
    /// Bits 1:0: blocks of 4104 bytes instead of 512.
    public static let block4104 = Self(rawValue: 3)
    /// Bit 2: the guard starts from 0xFFFF instead of 0.
    public static let invertCRCSeed = Self(rawValue: 1 << 2)
    /// Bit 3: the guard is the complement of the CRC.
    public static let invertCRCResult = Self(rawValue: 1 << 3)

    /// The data bytes of a block: 512, 520, 4096 or 4104.
    @inlinable public var blockByteCount: UInt32 {
        (rawValue & 2 == 0 ? 512 : 4096) + (rawValue & 1 == 0 ? 0 : 8)
    }

    /// Bytes of a data integrity field: guard, application tag and reference tag, each big-endian.
    public static let fieldByteCount: UInt32 = 8
}

/// Source DIF Flags, descriptor byte 40 (DSA 3.0 §8.3.14): what is checked in the fields of the source.
public struct SourceDIFFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// All eight bits are defined.
    public let rawValue: UInt8

    /// The flags of the byte.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Bit 0: with ``allFDetect``, a block whose field is all ones is DIF error 0x08.
    public static let enableAllFError = Self(rawValue: 1 << 0)
    /// Bit 1: a block whose field is all ones is not checked.
    public static let allFDetect = Self(rawValue: 1 << 1)
    /// Bit 2: a block whose application tag is all ones is not checked.
    public static let applicationFDetect = Self(rawValue: 1 << 2)
    /// Bit 3: a block whose application and reference tags are all ones is not checked.
    public static let applicationAndReferenceFDetect = Self(rawValue: 1 << 3)
    /// Bit 4: the application tag counts up with the blocks. The sense is opposite to that of bit 7.
    public static let incrementingApplicationTag = Self(rawValue: 1 << 4)
    /// Bit 5: guards are not checked.
    public static let guardCheckDisable = Self(rawValue: 1 << 5)
    /// Bit 6: reference tags are not checked.
    public static let referenceTagCheckDisable = Self(rawValue: 1 << 6)
    /// Bit 7: the reference tag is the same in all blocks, instead of counting up.
    public static let fixedReferenceTag = Self(rawValue: 1 << 7)
}

/// Destination DIF Flags, descriptor byte 41 (DSA 3.0 §8.3.15): what is written into the fields of the destination.
/// DIF Insert ignores the pass-through flags.
public struct DestinationDIFFlags: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Bits 2:0 are reserved.
    public let rawValue: UInt8

    /// The flags of the byte.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Bit 3: the application tag is the source's.
    public static let applicationTagPassThrough = Self(rawValue: 1 << 3)
    /// Bit 4: the application tag counts up with the blocks. The sense is opposite to that of bit 7.
    public static let incrementingApplicationTag = Self(rawValue: 1 << 4)
    /// Bit 5: the guard is the source's.
    public static let guardPassThrough = Self(rawValue: 1 << 5)
    /// Bit 6: the reference tag is the source's.
    public static let referenceTagPassThrough = Self(rawValue: 1 << 6)
    /// Bit 7: the reference tag is the same in all blocks, instead of counting up.
    public static let fixedReferenceTag = Self(rawValue: 1 << 7)
}

/// The tags of the next block: 8 bytes that a descriptor has as seeds and the record as where to go on (DSA 3.0
/// §8.3.14), in one little-endian word.
public struct DIFTags: Hashable, Sendable, BitwiseCopyable {
    /// Bytes 0-3.
    public var reference: UInt32
    /// Bytes 4-5: a bit that is 1 makes the application tag's 0; 0xFFFF switches its check off.
    public var applicationMask: UInt16
    /// Bytes 6-7: the counter, not masked.
    public var application: UInt16

    /// Tags with these fields.
    @inlinable
    public init(reference: UInt32, applicationMask: UInt16, application: UInt16) {
        self.reference = reference
        self.applicationMask = applicationMask
        self.application = application
    }

    /// The tags in the eight bytes of `word`.
    @inlinable
    public init(word: UInt64) {
        reference = UInt32(truncatingIfNeeded: word)
        applicationMask = UInt16(truncatingIfNeeded: word >> 32)
        application = UInt16(truncatingIfNeeded: word >> 48)
    }

    /// The eight bytes.
    @inlinable public var word: UInt64 {
        UInt64(reference) | UInt64(applicationMask) << 32 | UInt64(application) << 48
    }
}

/// DIF Status, byte 1 of the record with status 0x09 (DSA 3.0 §8.3.14): which checks of the block failed.
public struct DIFStatus: OptionSet, Hashable, Sendable, BitwiseCopyable {
    /// Bits 7:4 are 0.
    public let rawValue: UInt8

    /// The failures of the byte.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// The guard is not the CRC of the data.
    public static let guardMismatch = Self(rawValue: 1 << 0)
    /// The application tag is not the expected one.
    public static let applicationTagMismatch = Self(rawValue: 1 << 1)
    /// The reference tag is not the expected one.
    public static let referenceTagMismatch = Self(rawValue: 1 << 2)
    /// The field is all ones, and that is an error. Never together with the others.
    public static let allF = Self(rawValue: 1 << 3)
}
