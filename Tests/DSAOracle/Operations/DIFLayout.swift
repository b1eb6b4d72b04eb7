/// The sizes of a DIF operation's blocks (dsa-device §4.5).
struct DIFLayout {
    /// Data bytes of a block.
    let blockSize: UInt64
    /// Bytes from one block of the source to the next, and of the destination.
    let sourceStride: UInt64
    let destinationStride: UInt64

    init(_ descriptor: RawDescriptor) {
        blockSize = [512, 520, 4096, 4104][Int(descriptor.bytes[42] & 3)]
        sourceStride = descriptor.opcode == Operation.difInsert ? blockSize : blockSize + 8
        destinationStride = descriptor.opcode == Operation.difStrip ? blockSize : blockSize + 8
    }
}

/// A reference tag and an application tag that go from block to block.
struct TagCounter {
    private(set) var reference: UInt32
    private(set) var application: UInt16
    let mask: UInt16
    let isReferenceFixed: Bool
    let isApplicationIncrementing: Bool

    /// Reads seed, mask and seed from eight bytes of the descriptor.
    init(_ descriptor: RawDescriptor, at offset: Int, isReferenceFixed: Bool, isApplicationIncrementing: Bool) {
        reference = UInt32(descriptor[offset, 4])
        mask = UInt16(descriptor[offset + 4, 2])
        application = UInt16(descriptor[offset + 6, 2])
        self.isReferenceFixed = isReferenceFixed
        self.isApplicationIncrementing = isApplicationIncrementing
    }

    /// The tag as it stands in a block.
    var maskedApplication: UInt16 { application & ~mask }

    mutating func advance() {
        if !isReferenceFixed { reference &+= 1 }
        if isApplicationIncrementing { application &+= 1 }
    }

    /// Eight bytes of a completion record.
    func recordWord(masked: Bool) -> UInt64 {
        UInt64(reference) | UInt64(mask) << 32 | UInt64(masked ? maskedApplication : application) << 48
    }
}

/// The 8 bytes behind a block.
struct DIFField: Equatable {
    var guardTag: UInt16
    var application: UInt16
    var reference: UInt32

    init(guardTag: UInt16, application: UInt16, reference: UInt32) {
        self.guardTag = guardTag
        self.application = application
        self.reference = reference
    }

    /// Big-endian.
    init(_ bytes: [UInt8]) {
        guardTag = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
        application = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        reference = bytes[4..<8].reduce(0) { $0 << 8 | UInt32($1) }
    }

    var bytes: [UInt8] {
        [UInt8(guardTag >> 8), UInt8(guardTag & 0xFF), UInt8(application >> 8), UInt8(application & 0xFF)]
            + [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: reference >> $0) }
    }
}
