/// The 64 bytes of a descriptor, read by the offsets of dsa-device §1.1 and §1.5.
package struct RawDescriptor: Equatable, Sendable {
    package var bytes: [UInt8]

    /// - Precondition: 64 bytes.
    package init(_ bytes: [UInt8]) {
        precondition(bytes.count == 64)
        self.bytes = bytes
    }

    /// All bytes 0.
    package init() {
        bytes = Array(repeating: 0, count: 64)
    }

    /// The little-endian number in `count` bytes from `offset` on.
    package subscript(offset: Int, count: Int) -> UInt64 {
        get { (0..<count).reduce(0) { $0 | UInt64(bytes[offset + $1]) << UInt64($1 * 8) } }
        set {
            for index in 0..<count { bytes[offset + index] = UInt8(truncatingIfNeeded: newValue >> UInt64(index * 8)) }
        }
    }

    /// Bytes 0-3, bits 19:0.
    package var pasid: UInt32 { UInt32(truncatingIfNeeded: self[0, 4] & 0xF_FFFF) }

    /// Bytes 0-3, bit 31.
    package var isPrivileged: Bool { bytes[3] & 0x80 != 0 }

    /// Bytes 4-6.
    package var flags: UInt32 {
        get { UInt32(truncatingIfNeeded: self[4, 3]) }
        set { self[4, 3] = UInt64(newValue) }
    }

    /// Byte 7.
    package var opcode: UInt8 {
        get { bytes[7] }
        set { bytes[7] = newValue }
    }

    /// Bytes 8-15.
    package var recordAddress: UInt64 {
        get { self[8, 8] }
        set { self[8, 8] = newValue }
    }

    /// Bytes 16-23.
    package var first: UInt64 {
        get { self[16, 8] }
        set { self[16, 8] = newValue }
    }

    /// Bytes 24-31.
    package var second: UInt64 {
        get { self[24, 8] }
        set { self[24, 8] = newValue }
    }

    /// Bytes 32-35: the transfer size, or the number of descriptors.
    package var size: UInt64 {
        get { self[32, 4] }
        set { self[32, 4] = newValue }
    }

    /// Bytes 36-37.
    package var interruptHandle: UInt16 {
        get { UInt16(truncatingIfNeeded: self[36, 2]) }
        set { self[36, 2] = UInt64(newValue) }
    }

    /// Whether bit `bit` of the flags is 1.
    package func hasFlag(_ bit: Int) -> Bool { flags >> UInt32(bit) & 1 == 1 }

    /// CRAV.
    package var isRecordAddressValid: Bool { hasFlag(2) }
    /// RCR.
    package var isRecordRequested: Bool { hasFlag(3) }
}
