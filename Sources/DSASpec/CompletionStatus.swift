/// Byte 0, bits 5:0, of a completion record, and the error code of SWERROR (DSA 3.0 tables 5-6 and 5-7).
public struct CompletionStatus: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    public let rawValue: UInt8

    @inlinable
    public init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Never written by the device: software clears the byte to this and polls it.
    public static let none = Self(rawValue: 0x00)
    public static let success = Self(rawValue: 0x01)
    /// Finished; Check Result was asked for and the predicate is false.
    public static let successFalsePredicate = Self(rawValue: 0x02)
    /// A source or destination page faulted and BOF was 0.
    public static let pageFault = Self(rawValue: 0x03)
    /// A page request was refused.
    public static let pageRequestFailed = Self(rawValue: 0x04)
    /// At least one member of the batch did not end with 0x01.
    public static let batchError = Self(rawValue: 0x05)
    /// The descriptor list could not be fetched.
    public static let batchListPageFault = Self(rawValue: 0x06)
    public static let unsupportedOperation = Self(rawValue: 0x10)
    public static let invalidFlags = Self(rawValue: 0x11)
    public static let nonZeroReserved = Self(rawValue: 0x12)
    public static let invalidTransferSize = Self(rawValue: 0x13)
    public static let invalidDescriptorCount = Self(rawValue: 0x14)
    public static let invalidDeltaRecordSize = Self(rawValue: 0x15)
    public static let overlappingBuffers = Self(rawValue: 0x16)
    public static let dualcastMisaligned = Self(rawValue: 0x17)
    public static let descriptorListMisaligned = Self(rawValue: 0x18)
    public static let invalidInterruptHandle = Self(rawValue: 0x19)
    /// Never in a record: the record's own address faulted.
    public static let completionRecordPageFault = Self(rawValue: 0x1A)
    /// Never in a record: the record's address is no multiple of 32.
    public static let completionRecordMisaligned = Self(rawValue: 0x1B)
    public static let misalignedAddress = Self(rawValue: 0x1C)
    /// Never in a record: Priv 1 without privileged mode.
    public static let invalidPrivilege = Self(rawValue: 0x1D)
    public static let invalidTrafficClass = Self(rawValue: 0x1E)
    public static let readbackPageFault = Self(rawValue: 0x1F)
    /// A hardware error, for one a read that nothing answered.
    public static let hardwareError = Self(rawValue: 0x20)
    /// A hardware error on a write or a readback.
    public static let hardwareErrorOnWrite = Self(rawValue: 0x21)
    /// Address translation failed otherwise than by a page fault.
    public static let translationError = Self(rawValue: 0x22)

    /// SWERROR only: PCI configuration changed while the device was not Disabled.
    public static let configurationChanged = Self(rawValue: 0x51)
    /// SWERROR only: CMD written while a command was active.
    public static let commandWhileActive = Self(rawValue: 0x52)
    /// SWERROR only: a descriptor was posted to a full DWQ.
    public static let postedToFullQueue = Self(rawValue: 0x53)

    /// Whether RCR = 0 suppresses the record (DSA 3.0 §8.1.3): 0x01, 0x02 and 0x05.
    @inlinable public var isQuietWithoutRequest: Bool {
        self == .success || self == .successFalsePredicate || self == .batchError
    }

    /// Whether the status goes to SWERROR and never into a record: 0x1A, 0x1B, 0x1D.
    @inlinable public var bypassesRecord: Bool {
        self == .completionRecordPageFault || self == .completionRecordMisaligned || self == .invalidPrivilege
    }
}
