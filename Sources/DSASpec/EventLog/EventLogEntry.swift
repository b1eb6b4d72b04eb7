/// An entry of the event log, its first 64 bytes as little-endian words (DSA 3.0 §5.9, dsa-device 5.4). DSA 2.0.
public struct EventLogEntry: Hashable, Sendable, BitwiseCopyable {
    /// Bytes that the device writes; those of larger entries behind them are left as they are.
    public static let byteCount = 64

    /// Bytes 0-7: as SWERROR, with the batch identifier in byte 3.
    public var word0: UInt64
    /// Bytes 8-15: batch index and error information.
    public var word1: UInt64
    /// Bytes 16-23: fault address or completion record address.
    public var word2: UInt64
    /// Bytes 32-63: the completion record, all 0 without one.
    public var record: CompletionRecord

    /// What `error` says, in the form of the log.
    ///
    /// - Parameter batchIdentifier: Tells the batches in progress apart, for a member or a Batch.
    public init(_ error: SoftwareError, batchIdentifier: UInt8 = 0) {
        word0 = error.word0 & ~0xFF00_0003 | UInt64(batchIdentifier) << 24
        word1 = error.word1
        word2 = error.word2
        record = CompletionRecord(status: .none)
    }

    /// The 64 bytes at `bytes`, which needs no alignment.
    public init(loading bytes: UnsafeRawPointer) {
        word0 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
        word1 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        word2 = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        record = unsafe CompletionRecord(loading: bytes + 32)
    }

    /// Bytes 0-23 as SWERROR would show them.
    public var error: SoftwareError {
        var error = SoftwareError()
        error.word0 = word0 & ~0xFF00_0000 | 1
        error.word1 = word1
        error.word2 = word2
        return error
    }

    /// Byte 3.
    public var batchIdentifier: UInt8 { UInt8(truncatingIfNeeded: word0 >> 24) }

    /// Byte 1.
    public var code: CompletionStatus { CompletionStatus(rawValue: UInt8(truncatingIfNeeded: word0 >> 8)) }

    /// Bytes 12-15 in the form of the codes whose record waits in the log: 0x1A, 0x26 and 0x27.
    public var pending: PendingCompletion {
        get { PendingCompletion(rawValue: UInt32(truncatingIfNeeded: word1 >> 32)) }
        set {
            word0 |= 0x80
            word1 = word1 & 0xFFFF_FFFF | UInt64(newValue.rawValue) << 32
        }
    }

    /// What software has to do for a descriptor whose record the device put into the log.
    public struct PendingCompletion: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
        /// The 32 bits.
        public var rawValue: UInt32

        /// The duties that these 32 bits state.
        public init(rawValue: UInt32 = 0) {
            self.rawValue = rawValue
        }

        /// Bits 15:0: the Completion Interrupt Handle.
        public var interruptHandle: UInt16 {
            get { UInt16(truncatingIfNeeded: rawValue) }
            set { rawValue = rawValue & ~0xFFFF | UInt32(newValue) }
        }

        /// Bit 16: software sends the completion interrupt.
        public var requiresInterrupt: Bool {
            get { bit(16) }
            set { setBit(16, to: newValue) }
        }

        /// Bit 17: the descriptor came through an IMS portal, whose table the handle indexes.
        public var usesInterruptMessageStorage: Bool {
            get { bit(17) }
            set { setBit(17, to: newValue) }
        }

        /// Bit 18: software writes the completion record.
        public var requiresRecord: Bool {
            get { bit(18) }
            set { setBit(18, to: newValue) }
        }

        /// Bit 19: no earlier record of a member of this batch is in the log.
        public var isFirstErrorInBatch: Bool {
            get { bit(19) }
            set { setBit(19, to: newValue) }
        }

        /// Bits 31:29: the operand whose access faulted.
        public var operand: FaultOperand {
            get { FaultOperand(rawValue: UInt8(truncatingIfNeeded: rawValue >> 29)) ?? .unknown }
            set { rawValue = rawValue & ~(7 << 29) | UInt32(newValue.rawValue) << 29 }
        }

        private func bit(_ position: UInt32) -> Bool { rawValue >> position & 1 == 1 }

        private mutating func setBit(_ position: UInt32, to isSet: Bool) {
            rawValue = rawValue & ~(1 << position) | (isSet ? 1 << position : 0)
        }
    }
}
