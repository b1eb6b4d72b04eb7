/// Byte 0, bits 5:0, of a completion record, and the error code of SWERROR (DSA 3.0 tables 5-6 and 5-7).
package struct CompletionStatus: RawRepresentable, Hashable, Sendable, BitwiseCopyable {
    package let rawValue: UInt8

    @inlinable
    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    /// Never written by the device: software clears the byte to this and polls it.
    package static let none = Self(rawValue: 0x00)
    package static let success = Self(rawValue: 0x01)
    /// Finished; Check Result was asked for and the predicate is false.
    package static let successFalsePredicate = Self(rawValue: 0x02)
    /// A source or destination page faulted and BOF was 0.
    package static let pageFault = Self(rawValue: 0x03)
    /// A page request was refused.
    package static let pageRequestFailed = Self(rawValue: 0x04)
    /// At least one member of the batch did not end with 0x01.
    package static let batchError = Self(rawValue: 0x05)
    /// The descriptor list could not be fetched.
    package static let batchListPageFault = Self(rawValue: 0x06)
    package static let unsupportedOperation = Self(rawValue: 0x10)
    package static let invalidFlags = Self(rawValue: 0x11)
    package static let nonZeroReserved = Self(rawValue: 0x12)
    package static let invalidTransferSize = Self(rawValue: 0x13)
    package static let invalidDescriptorCount = Self(rawValue: 0x14)
    package static let invalidDeltaRecordSize = Self(rawValue: 0x15)
    package static let overlappingBuffers = Self(rawValue: 0x16)
    package static let dualcastMisaligned = Self(rawValue: 0x17)
    package static let descriptorListMisaligned = Self(rawValue: 0x18)
    package static let invalidInterruptHandle = Self(rawValue: 0x19)
    /// Never in a record: the record's own address faulted.
    package static let completionRecordPageFault = Self(rawValue: 0x1A)
    /// Never in a record: the record's address is no multiple of 32.
    package static let completionRecordMisaligned = Self(rawValue: 0x1B)
    package static let misalignedAddress = Self(rawValue: 0x1C)
    /// Never in a record: Priv 1 without privileged mode.
    package static let invalidPrivilege = Self(rawValue: 0x1D)
    package static let invalidTrafficClass = Self(rawValue: 0x1E)
    package static let readbackPageFault = Self(rawValue: 0x1F)
    /// A hardware error, for one a read that nothing answered.
    package static let hardwareError = Self(rawValue: 0x20)
    /// A hardware error on a write or a readback.
    package static let hardwareErrorOnWrite = Self(rawValue: 0x21)
    /// Address translation failed otherwise than by a page fault.
    package static let translationError = Self(rawValue: 0x22)

    /// SWERROR only: PCI configuration changed while the device was not Disabled.
    package static let configurationChanged = Self(rawValue: 0x51)
    /// SWERROR only: CMD written while a command was active.
    package static let commandWhileActive = Self(rawValue: 0x52)
    /// SWERROR only: a descriptor was posted to a full DWQ.
    package static let postedToFullQueue = Self(rawValue: 0x53)

    /// Whether RCR = 0 suppresses the record (DSA 3.0 §8.1.3): 0x01, 0x02 and 0x05.
    @inlinable package var isQuietWithoutRequest: Bool {
        self == .success || self == .successFalsePredicate || self == .batchError
    }

    /// Whether the status goes to SWERROR and never into a record: 0x1A, 0x1B, 0x1D.
    @inlinable package var bypassesRecord: Bool {
        self == .completionRecordPageFault || self == .completionRecordMisaligned || self == .invalidPrivilege
    }
}
