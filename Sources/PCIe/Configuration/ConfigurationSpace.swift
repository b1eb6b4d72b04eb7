/// Why a configuration space refuses an access. Nothing has happened.
public enum ConfigurationAccessError: Error, Hashable, Sendable {
    /// The size is not 1, 2 or 4 bytes.
    case unsupportedSize
    /// The offset is no multiple of the size.
    case misaligned
    /// The access leaves the 4096 bytes.
    case outOfRange
}

/// The configuration space of a function or a port: 4096 bytes of registers, little-endian (PCIe 6.0 §7.2).
///
/// Each bit is read-only, can be written, or is cleared by a written 1. What no register holds reads 0 and ignores
/// writes.
public struct ConfigurationSpace: Sendable {
    /// Bytes of an extended configuration space.
    public static let byteCount = 4096

    private var dwords = [UInt32](repeating: 0, count: byteCount / 4)
    /// Bits that a write changes.
    private var writable = [UInt32](repeating: 0, count: byteCount / 4)
    /// Bits that a written 1 clears.
    private var clearable = [UInt32](repeating: 0, count: byteCount / 4)

    init() {}

    /// The `byteCount` bytes at `offset`.
    public func read(at offset: Int, byteCount: Int) throws(ConfigurationAccessError) -> UInt32 {
        let mask = try Self.mask(at: offset, byteCount: byteCount)
        return (dwords[offset / 4] & mask) >> UInt32(offset % 4 * 8)
    }

    /// Writes the low `byteCount` bytes of `value` at `offset`.
    public mutating func write(
        _ value: UInt32, at offset: Int, byteCount: Int
    ) throws(ConfigurationAccessError) {
        let mask = try Self.mask(at: offset, byteCount: byteCount)
        let index = offset / 4
        let shifted = value << UInt32(offset % 4 * 8) & mask
        let kept = dwords[index] & ~(writable[index] & mask)
        dwords[index] = (kept | shifted & writable[index]) & ~(shifted & clearable[index])
    }

    private static func mask(at offset: Int, byteCount: Int) throws(ConfigurationAccessError) -> UInt32 {
        guard byteCount == 1 || byteCount == 2 || byteCount == 4 else { throw .unsupportedSize }
        guard offset >= 0, offset <= Self.byteCount - byteCount else { throw .outOfRange }
        guard offset % byteCount == 0 else { throw .misaligned }
        let bits: UInt32 = byteCount == 4 ? .max : 1 << UInt32(byteCount * 8) - 1
        return bits << UInt32(offset % 4 * 8)
    }

    // MARK: Registers, from inside

    /// The dword at `offset`, a multiple of 4.
    subscript(offset: Int) -> UInt32 {
        get { dwords[offset / 4] }
        set { dwords[offset / 4] = newValue }
    }

    /// Makes `value` what the dword at `offset` holds, and says which of its bits a write changes or clears.
    mutating func define(_ offset: Int, _ value: UInt32, writable: UInt32 = 0, clearable: UInt32 = 0) {
        dwords[offset / 4] |= value
        self.writable[offset / 4] |= writable
        self.clearable[offset / 4] |= clearable
    }
}

// MARK: Capabilities

extension ConfigurationSpace {
    /// Appends a capability to the list that begins at the pointer at 34H.
    mutating func addCapability(_ id: UInt8, at offset: Int) {
        var pointer = 0x34
        while true {
            let next = Int(dwords[pointer / 4] >> UInt32(pointer % 4 * 8) & 0xFF)
            if next == 0 { break }
            pointer = next + 1
        }
        dwords[pointer / 4] |= UInt32(offset) << UInt32(pointer % 4 * 8)
        dwords[offset / 4] |= UInt32(id)
        // Status, Capabilities List.
        dwords[1] |= 1 << 20
    }

    /// Appends an extended capability to the list that begins at 100H.
    mutating func addExtendedCapability(_ id: UInt16, version: UInt32 = 1, at offset: Int) {
        var last = 0x100
        while dwords[last / 4] >> 20 != 0 { last = Int(dwords[last / 4] >> 20) }
        if last != offset { dwords[last / 4] |= UInt32(offset) << 20 }
        dwords[offset / 4] |= UInt32(id) | version << 16
    }

    /// Where the extended capability with `id` begins; `nil` when there is none.
    public func extendedCapability(_ id: UInt16) -> Int? {
        var offset = 0x100
        while offset >= 0x100, dwords[offset / 4] != 0 {
            if UInt16(truncatingIfNeeded: dwords[offset / 4]) == id { return offset }
            offset = Int(dwords[offset / 4] >> 20)
        }
        return nil
    }
}
