/// What the specification leaves open and a device has to decide (dsa-device appendix B, and what is marked [?] there).
///
/// The initial value of each field is the suggested choice. The configuration of the daemon names the fields as they
/// are named here.
public struct OpenPoints: Hashable, Sendable, BitwiseCopyable {
    /// In which order the checks of a descriptor are made; it shows when several fail (row 1, DSA 3.0 §5.4).
    public var checkOrder = CheckOrder.listed
    /// Which Invalid Flags report a missing required flag (row 1).
    public var missingFlags = MissingFlags.missingOnly
    /// Where a page fault divides an operation whose blocks are bytes (row 2).
    public var partialCompletion = PartialCompletion.everyByte
    /// A Transfer Size that is no multiple of the source's protected block (row 3): DIF Check, Insert, Strip, Update.
    public var difTransferSize = DIFTransferSize.wholeBlocks
    /// The last bytes of a delta record whose size is no multiple of 10 (row 4): Apply Delta Record.
    public var deltaFragment = DeltaFragment.ignored
    /// What a computed Application Tag is compared with when its mask is partial (row 5): DIF Check, Strip, Update.
    public var applicationTagCompare = ApplicationTagCompare.storedAsIs
    /// The Application Tags of a completion record (row 6): all DIF operations.
    public var applicationTagReport = ApplicationTagReport.unmasked
    /// The kind of access that a Cache Flush faults with (row 7).
    public var cacheFlushAccess = CacheFlushAccess.read
    /// Flags 5 and 15 of a DSA 1 device, and flag 16 of its Dualcast (row 8). DSA 2 reserves them.
    public var steeringTags = SteeringTags.reserved
    /// Bytes of a WQCFG entry of a DSA 1 device (row 10). With DSA 2 it is 64.
    public var workQueueConfigurationStride = WorkQueueConfigurationStride.bytes32
    /// Bytes Completed where the specification lists nothing: 0x20, 0x21 and 0x22 (row 11).
    public var errorBytesCompleted = ErrorBytesCompleted.zero
    /// Reset WQ with a WQ that is not Enabled (row 12).
    public var resetOfDisabledWorkQueue = ResetOfDisabledWorkQueue.success
    /// What an abort does with a data operation that has begun (row 13).
    public var abortedTransfer = AbortedTransfer.completed
    /// A DIF Strip whose destination lies below the source and ends before it only because the fields are left out
    /// (row 14).
    public var difStripNearby = DIFStripNearby.allowed
    /// How much of Expected Result a Compare looks at (row 15).
    public var expectedResult = ExpectedResult.lowBit
    /// A block of all ones with the All-F error enabled and all three checks disabled (row 16): DIF Check, Strip,
    /// Update.
    public var allFWithoutChecks = AllFWithoutChecks.reported
    /// Bytes Completed of a Compare Pattern that finds a difference (dsa-device 2.4).
    public var comparePatternOffset = ComparePatternOffset.firstDifference
    /// Where an invalid interrupt handle (0x19) shows when there is a record (dsa-device 2.2).
    public var interruptHandleError = InterruptHandleError.recordAndEvent

    /// The suggested choices.
    public init() {}
}

extension OpenPoints {
    /// See ``OpenPoints/checkOrder``. The checks of the completion record's address come first in either order.
    public enum CheckOrder: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// The order of ``CheckRule``.
        case listed
        /// The same from its end.
        case reversed
    }

    /// See ``OpenPoints/missingFlags``.
    public enum MissingFlags: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// The bits that are 0 and should be 1.
        case missingOnly
        /// All bits that the operation requires, once one is missing.
        case allRequired
    }

    /// See ``OpenPoints/partialCompletion``.
    public enum PartialCompletion: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// At the last byte before the page.
        case everyByte
        /// At a multiple of ``OpenPoints/lineByteCount`` bytes of the operation.
        case everyLine
    }

    /// See ``OpenPoints/difTransferSize``.
    public enum DIFTransferSize: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// Anything but whole blocks is refused with 0x13.
        case wholeBlocks
        /// Whole blocks are processed; what follows the last is left alone.
        case anySize
    }

    /// See ``OpenPoints/deltaFragment``.
    public enum DeltaFragment: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case ignored
        /// 0x15.
        case refused
    }

    /// See ``OpenPoints/applicationTagCompare``.
    public enum ApplicationTagCompare: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// With the stored tag.
        case storedAsIs
        /// With the stored tag without the masked bits.
        case storedMasked
    }

    /// See ``OpenPoints/applicationTagReport``.
    public enum ApplicationTagReport: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// The counter.
        case unmasked
        /// The counter without the masked bits.
        case masked
    }

    /// See ``OpenPoints/cacheFlushAccess``.
    public enum CacheFlushAccess: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case read
        case write
    }

    /// See ``OpenPoints/steeringTags``.
    public enum SteeringTags: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// 0x11.
        case reserved
        /// Taken, without effect.
        case accepted
    }

    /// See ``OpenPoints/workQueueConfigurationStride``.
    public enum WorkQueueConfigurationStride: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case bytes32 = 32
        case bytes64 = 64
    }

    /// See ``OpenPoints/errorBytesCompleted``.
    public enum ErrorBytesCompleted: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case zero
        /// The bytes done before the error, as with a page fault.
        case progress
    }

    /// See ``OpenPoints/resetOfDisabledWorkQueue``.
    public enum ResetOfDisabledWorkQueue: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case success
        /// 0x32.
        case notEnabled
    }

    /// See ``OpenPoints/abortedTransfer``.
    public enum AbortedTransfer: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        /// It completes. Of a batch the member at hand does; the others, and the batch, are abandoned.
        case completed
        /// It is abandoned once the window that runs is through.
        case abandoned
    }

    /// See ``OpenPoints/difStripNearby``.
    public enum DIFStripNearby: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case allowed
        /// 0x16, as if the destination had Transfer Size bytes and one more.
        case refused
    }

    /// See ``OpenPoints/expectedResult``.
    public enum ExpectedResult: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case lowBit
        case wholeByte
    }

    /// See ``OpenPoints/allFWithoutChecks``.
    public enum AllFWithoutChecks: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case reported
        case skipped
    }

    /// See ``OpenPoints/comparePatternOffset``.
    public enum ComparePatternOffset: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case firstDifference
        /// The start of the 8 bytes in which it lies, except in an incomplete last pattern.
        case patternStart
    }

    /// See ``OpenPoints/interruptHandleError``.
    public enum InterruptHandleError: UInt8, Sendable, BitwiseCopyable, CaseIterable {
        case recordAndEvent
        case recordOnly
    }

    /// The bytes of ``PartialCompletion/everyLine``.
    public static let lineByteCount: UInt64 = 64
}
