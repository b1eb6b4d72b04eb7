/// Byte 0, bits 5:0, of a completion record, and the error code of SWERROR (DSA 3.0 tables 5-6 and 5-7).
public struct CompletionStatus: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    /// The code, 0 to 0x3F in a record; SWERROR has codes above that.
    public let rawValue: UInt8

    /// The status with this code, defined or not.
    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Never written by the device: software clears the byte to this and polls it.
    @inlinable public static var none: Self { Self(rawValue: 0x00) }
    /// Finished; a predicate that was to be checked is true.
    @inlinable public static var success: Self { Self(rawValue: 0x01) }
    /// Finished; Check Result was asked for and the predicate is false.
    @inlinable public static var successFalsePredicate: Self { Self(rawValue: 0x02) }
    /// A source or destination page faulted and BOF was 0.
    @inlinable public static var pageFault: Self { Self(rawValue: 0x03) }
    /// A page request was refused.
    @inlinable public static var pageRequestFailed: Self { Self(rawValue: 0x04) }
    /// At least one member of the batch did not end with 0x01.
    @inlinable public static var batchError: Self { Self(rawValue: 0x05) }
    /// The descriptor list could not be fetched.
    @inlinable public static var batchListPageFault: Self { Self(rawValue: 0x06) }
    /// Apply Delta Record: an offset is not above the one before it.
    @inlinable public static var deltaOffsetNotIncreasing: Self { Self(rawValue: 0x07) }
    /// Apply Delta Record: an offset is not below the Transfer Size.
    @inlinable public static var deltaOffsetOutOfRange: Self { Self(rawValue: 0x08) }
    /// DIF Check, Strip and Update: a block failed a check; DIF Status says which.
    @inlinable public static var difError: Self { Self(rawValue: 0x09) }
    /// The operation is not in OPCAP or the WQ's OPCFG, or cannot be a member of a batch.
    @inlinable public static var unsupportedOperation: Self { Self(rawValue: 0x10) }
    /// A flag is set that may not be, or a required one is clear.
    @inlinable public static var invalidFlags: Self { Self(rawValue: 0x11) }
    /// A byte that is reserved, for this operation or by a flag, is not 0.
    @inlinable public static var nonZeroReserved: Self { Self(rawValue: 0x12) }
    /// The Transfer Size is 0, above a maximum, or no multiple of a DIF block.
    @inlinable public static var invalidTransferSize: Self { Self(rawValue: 0x13) }
    /// The Descriptor Count is below the minimum of a batch or above the WQ's maximum.
    @inlinable public static var invalidDescriptorCount: Self { Self(rawValue: 0x14) }
    /// The size of a delta record is too small, or above the WQ's Maximum Transfer Size.
    @inlinable public static var invalidDeltaRecordSize: Self { Self(rawValue: 0x15) }
    /// Buffers share bytes where the operation forbids that (DSA 3.0 §5.4).
    @inlinable public static var overlappingBuffers: Self { Self(rawValue: 0x16) }
    /// Bits 11:0 of a Dualcast's two destinations differ.
    @inlinable public static var dualcastMisaligned: Self { Self(rawValue: 0x17) }
    /// The Descriptor List Address is no multiple of 64.
    @inlinable public static var descriptorListMisaligned: Self { Self(rawValue: 0x18) }
    /// The Completion Interrupt Handle is out of range, or its entry is not for this PASID.
    @inlinable public static var invalidInterruptHandle: Self { Self(rawValue: 0x19) }
    /// Never in a record: the record's own address faulted.
    @inlinable public static var completionRecordPageFault: Self { Self(rawValue: 0x1A) }
    /// Never in a record: the record's address is no multiple of 32.
    @inlinable public static var completionRecordMisaligned: Self { Self(rawValue: 0x1B) }
    /// An address or a size is misaligned for the operation: of a delta record's sources or destination no multiple of
    /// 8, of a CRC seed none of its size.
    @inlinable public static var misalignedAddress: Self { Self(rawValue: 0x1C) }
    /// Never in a record: Priv 1 without privileged mode.
    @inlinable public static var invalidPrivilege: Self { Self(rawValue: 0x1D) }
    /// A selected traffic class is not enabled.
    @inlinable public static var invalidTrafficClass: Self { Self(rawValue: 0x1E) }
    /// A readback address of a Drain faulted.
    @inlinable public static var readbackPageFault: Self { Self(rawValue: 0x1F) }
    /// A hardware error, for one a read that nothing answered.
    @inlinable public static var hardwareError: Self { Self(rawValue: 0x20) }
    /// A hardware error on a write or a readback.
    @inlinable public static var hardwareErrorOnWrite: Self { Self(rawValue: 0x21) }
    /// Address translation failed otherwise than by a page fault.
    @inlinable public static var translationError: Self { Self(rawValue: 0x22) }

    /// SWERROR only: PCI configuration changed while the device was not Disabled.
    @inlinable public static var configurationChanged: Self { Self(rawValue: 0x51) }
    /// SWERROR only: CMD written while a command was active.
    @inlinable public static var commandWhileActive: Self { Self(rawValue: 0x52) }
    /// SWERROR only: a descriptor was posted to a full DWQ.
    @inlinable public static var postedToFullQueue: Self { Self(rawValue: 0x53) }
    /// SWERROR only: an event could not be put into the event log. DSA 2.0.
    @inlinable public static var eventLost: Self { Self(rawValue: 0x54) }

    /// Event log only: a Drain whose record waits there behind those of earlier descriptors. DSA 2.0.
    @inlinable public static var drainInLog: Self { Self(rawValue: 0x26) }
    /// Event log only: a Batch whose record waits there behind those of its members. DSA 2.0.
    @inlinable public static var batchInLog: Self { Self(rawValue: 0x27) }

    /// Whether RCR = 0 suppresses the record (DSA 3.0 §8.1.3): 0x01, 0x02 and 0x05.
    @inlinable public var isQuietWithoutRequest: Bool {
        self == .success || self == .successFalsePredicate || self == .batchError
    }

    /// Whether an event of this code has the completion record in it, which software writes (dsa-device 5.4): 0x1A,
    /// 0x26 and 0x27.
    @inlinable public var leavesRecordInLog: Bool {
        self == .completionRecordPageFault || self == .drainInLog || self == .batchInLog
    }

    /// Whether the status goes to SWERROR and never into a record: 0x1A, 0x1B, 0x1D.
    @inlinable public var bypassesRecord: Bool {
        self == .completionRecordPageFault || self == .completionRecordMisaligned || self == .invalidPrivilege
    }
}
