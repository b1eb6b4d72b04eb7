public import PCIe

/// The 32 bytes of SWERROR as four little-endian words (DSA 3.0 §9.2.15, dsa-device 5.3).
public struct SoftwareError: Hashable, Sendable, BitwiseCopyable {
    /// Bytes 0-7: valid bits, code, WQ, operation, PASID.
    public var word0: UInt64 = 0
    /// Bytes 8-15: batch index.
    public var word1: UInt64 = 0
    /// Bytes 16-23: the fault address.
    public var word2: UInt64 = 0
    /// Bytes 24-31, unused.
    public var word3: UInt64 = 0

    /// The power-on value: not valid.
    public init() {}

    /// An error with nothing but its code. Valid is set; an access that faulted adds the rest.
    public init(code: CompletionStatus) {
        word0 = 1 | UInt64(code.rawValue) << 8
    }

    /// Bit 0. While it is 1 a further error only sets ``overflow``.
    public var isValid: Bool { word0 & 1 == 1 }

    /// Bit 1: an error was lost.
    public var overflow: Bool {
        get { word0 & 2 == 2 }
        set { word0 = word0 & ~2 | (newValue ? 2 : 0) }
    }

    /// Bit 2: PASID, Priv, Operation, Batch Member and Batch Index are meaningful.
    public var isDescriptorValid: Bool { word0 & 4 == 4 }

    /// Byte 1.
    public var code: CompletionStatus { CompletionStatus(rawValue: UInt8(truncatingIfNeeded: word0 >> 8)) }

    /// Bit 3 and byte 2.
    public var workQueue: Int? {
        get { word0 & 8 == 8 ? Int(word0 >> 16 & 0xFF) : nil }
        set { word0 = word0 & ~0xFF_0008 | (newValue.map { 8 | UInt64($0 & 0xFF) << 16 } ?? 0) }
    }

    /// Bit 5: the faulting access was a write.
    public var faultWasWrite: Bool {
        get { word0 & 0x20 != 0 }
        set { word0 = word0 & ~0x20 | (newValue ? 0x20 : 0) }
    }

    /// Bit 6.
    public var isPrivileged: Bool { word0 & 0x40 != 0 }

    /// Byte 4.
    public var opcode: Opcode { Opcode(rawValue: UInt8(truncatingIfNeeded: word0 >> 32)) }

    /// Bits 59:40.
    public var pasid: HostPASID { HostPASID(truncating: UInt32(truncatingIfNeeded: word0 >> 40)) }

    /// Bit 4 and bytes 8-9: the member's place in its batch.
    public var batchIndex: Int? { word0 & 0x10 != 0 ? Int(word1 & 0xFFFF) : nil }

    /// Bytes 12-15: the mask of Invalid Flags for 0x11, the interrupt handle for 0x19, the ``faultOperand``.
    public var errorInformation: UInt32 {
        get { UInt32(truncatingIfNeeded: word1 >> 32) }
        set { word1 = word1 & 0xFFFF_FFFF | UInt64(newValue) << 32 }
    }

    /// Bit 7: ``errorInformation`` is meaningful. DSA 2.0; a 1.0 part leaves it 0.
    public var isErrorInformationValid: Bool {
        get { word0 & 0x80 != 0 }
        set { word0 = word0 & ~0x80 | (newValue ? 0x80 : 0) }
    }

    /// Bits 31:29 of ``errorInformation``, for page faults: the operand whose access faulted. DSA 2.0.
    public var faultOperand: FaultOperand {
        get { FaultOperand(rawValue: UInt8(truncatingIfNeeded: errorInformation >> 29)) ?? .unknown }
        set { errorInformation = errorInformation & ~(7 << 29) | UInt32(newValue.rawValue) << 29 }
    }

    /// Bytes 16-23; bits 11:0 may be 0.
    public var faultAddress: LinearAddress {
        get { LinearAddress(rawValue: word2) }
        set { word2 = newValue.rawValue }
    }

    /// Names the descriptor at fault.
    public mutating func setDescriptor(pasid: HostPASID, isPrivileged: Bool, opcode: Opcode, batchIndex: Int?) {
        word0 |= 4 | (isPrivileged ? 0x40 : 0) | UInt64(opcode.rawValue) << 32 | UInt64(pasid.rawValue) << 40
        if let batchIndex {
            word0 |= 0x10
            word1 = word1 & ~0xFFFF | UInt64(batchIndex & 0xFFFF)
        }
    }
}

extension SoftwareError {
    /// Whether the fault address and the kind of access are meaningful: codes 0x03, 0x04, 0x06, 0x1A and 0x1F.
    public var isFault: Bool {
        switch code {
        case .pageFault, .pageRequestFailed, .batchListPageFault, .completionRecordPageFault, .readbackPageFault: true
        default: false
        }
    }
}
