extension OpcodeSet {
    /// What DSA 2.0 defines beyond ``architectural1`` and `swqd` aims at: Translation Fetch. Its inter-domain
    /// operations and DIX Generate are not claimed.
    public static let architectural2 = Self(bits: architectural1.bits | 1 << 0x0A)

    /// What production parts offer (dsa-device 7.8), Batch included: ``architectural1`` without delta records.
    public static let production1 = Self(bits: 0x1_003F_027F)

    /// The same of a DSA 2.0 part.
    public static let production2 = Self(bits: production1.bits | 1 << 0x0A)

    /// The opcodes that are in both sets.
    @inlinable
    public func intersection(_ other: Self) -> Self { Self(bits: bits & other.bits) }

    /// Whether every opcode of this set is in `other`.
    @inlinable
    public func isSubset(of other: Self) -> Bool { bits & ~other.bits == 0 }
}
