import DSASpec

/// The CRC of an operation so far. Every CRC of a first part is the seed of the rest (dsa-device §4.4).
struct CRCProgress: Sendable, BitwiseCopyable {
    var value: UInt32
    /// `CK_CRC_` flags.
    let flags: UInt32
    /// The seed is still in memory, at the operation's third address.
    var awaitsSeed: Bool

    @inline(__always)
    init(_ descriptor: Descriptor) {
        awaitsSeed = descriptor.flags.contains(.readCRCSeed)
        value = awaitsSeed ? 0 : descriptor.crcSeed
        flags =
            (descriptor.flags.contains(.bypassCRCInversion) ? 1 : 0)
            | (descriptor.flags.contains(.bypassDataReflection) ? 2 : 0)
    }
}
