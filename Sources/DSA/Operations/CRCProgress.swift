import CKernels
import DSASpec

/// The CRC of an operation so far. Every CRC of a first part is the seed of the rest (dsa-device §4.4).
struct CRCProgress: Sendable, BitwiseCopyable {
    /// Of a CRC32C the low 32 bits.
    var value: UInt64
    /// `CK_CRC_` flags.
    let flags: UInt8
    /// CRC64 instead of CRC32C.
    let isWide: Bool
    /// The seed is still in memory, at the operation's third address.
    var awaitsSeed: Bool

    @inline(__always)
    init(_ descriptor: Descriptor) {
        isWide = descriptor.flags.contains(.crc64)
        awaitsSeed = descriptor.flags.contains(.readCRCSeed)
        value = awaitsSeed ? 0 : isWide ? descriptor.crc64Seed : UInt64(descriptor.crcSeed)
        flags =
            (descriptor.flags.contains(.bypassCRCInversion) ? UInt8(CK_CRC_BYPASS_INVERSION) : 0)
            | (descriptor.flags.contains(.bypassDataReflection) ? UInt8(CK_CRC_BYPASS_DATA_REFLECTION) : 0)
    }
}

extension CRCProgress {
    /// Goes on over `count` bytes.
    @inline(__always)
    mutating func update(_ source: UnsafeRawPointer, _ count: Int) {
        value =
            isWide
            ? unsafe ck_crc64(value, source, count, UInt32(flags))
            : UInt64(unsafe ck_crc32c(UInt32(truncatingIfNeeded: value), source, count, UInt32(flags)))
    }

    /// Copies `count` bytes and goes on over them.
    @inline(__always)
    mutating func copy(_ source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer, _ count: Int) {
        value =
            isWide
            ? unsafe ck_copy_crc64(value, destination, source, count, UInt32(flags))
            : UInt64(
                unsafe ck_copy_crc32c(
                    UInt32(truncatingIfNeeded: value), destination, source, count, UInt32(flags)))
    }
}
