/// What the answer to a descriptor depends on beside its bytes and the memory: the device and the WQ.
package struct OracleContext: Sendable {
    /// GENCAP.
    package var generalCapabilities: UInt64
    /// OPCAP bits 63:0.
    package var operations: UInt64
    /// The function's PASID capability has Privileged Mode Enable.
    package var isPrivilegedModeEnabled = true
    /// The WQ.
    package var workQueue: Int
    /// WQCFG Mode is 0.
    package var isShared = true
    /// WQCFG PASID, Priv, PASID Enable. An SWQ takes the first two from the descriptor.
    package var pasid: UInt32 = 0
    package var isPrivileged = false
    package var isPASIDEnabled = true
    /// WQCFG BOF Enable.
    package var isBlockOnFaultEnabled = false
    /// GENCFG User-mode Interrupts Enable.
    package var isUserInterruptEnabled = false
    /// Interrupt handles that a PASID may use.
    package var interruptHandles: [UInt32: Set<UInt16>] = [:]
    /// VERSION is 2.0: steering tags are reserved, and SWERROR says whether its Error Information is valid.
    package var isGeneration2 = false
    /// WQCFG Maximum Transfer Size.
    package var maximumTransfer: UInt64
    /// WQCFG Maximum Batch Size.
    package var maximumBatch: UInt64
    /// The function may send page requests.
    package var mayAskForPages = false
    /// An event log is in use.
    package var usesEventLog = false
    /// ATS of the function is on.
    package var isTranslationServiceEnabled = true

    /// The order in which defects are looked for, by their codes (table 3.2).
    package var checkOrder: [UInt8] = Self.suggestedCheckOrder
    /// What dsa-device Appendix B leaves open.
    package var openPoints = OpenPoints()

    /// Table 3.2, rows 1 to 11.
    package static let suggestedCheckOrder: [UInt8] = [
        0x1D, 0x1B, 0x10, 0x11, 0x12, 0x19, 0x1E, 0x13, 0x14, 0x15, 0x18, 0x17, 0x1C, 0x16,
    ]

    /// The same from its end, behind what concerns the record itself.
    package static let reversedCheckOrder: [UInt8] =
        Array(suggestedCheckOrder.prefix(2)) + suggestedCheckOrder.dropFirst(2).reversed()

    /// The defaults are those that Appendix B suggests.
    package struct OpenPoints: Sendable {
        /// Number 1: a missing required flag is reported together with all that are required.
        package var namesAllRequiredFlags = false
        /// Number 3: a DIF transfer size that is no multiple of the block is refused with 0x13.
        package var refusesPartialBlocks = true
        /// Number 4: a delta record with a fragment of an entry is refused with 0x15.
        package var refusesFragments = false
        /// Number 5: the stored application tag is masked before it is compared.
        package var masksStoredApplicationTag = false
        /// Number 6: the application tags of a record are masked.
        package var masksReportedApplicationTag = false
        /// Number 7: a Cache Flush faults as a write.
        package var flushWrites = false
        /// Number 8: the steering tag flags of DSA 1 are taken.
        package var acceptsSteeringTags = false
        /// Number 14: a DIF Strip to just below its source is refused with 0x16.
        package var refusesNearbyStrip = false
        /// Number 15: a Compare looks at the whole byte of Expected Result.
        package var comparesWholeExpectation = false
        /// Number 16: an All-F error is reported although all three checks are disabled.
        package var reportsAllFErrorWithoutChecks = true

        package init() {}
    }

    package init(
        generalCapabilities: UInt64, operations: UInt64, workQueue: Int, maximumTransfer: UInt64, maximumBatch: UInt64
    ) {
        self.generalCapabilities = generalCapabilities
        self.operations = operations
        self.workQueue = workQueue
        self.maximumTransfer = maximumTransfer
        self.maximumBatch = maximumBatch
    }

    /// Whether GENCAP has bit `bit`.
    func can(_ bit: Int) -> Bool { generalCapabilities >> UInt64(bit) & 1 == 1 }
}

/// The bits of GENCAP that the model asks for (dsa-device §7.2).
enum Capability {
    static let overlappingMove = 1
    static let cacheControl = 2
    static let cacheControlOfFlush = 3
    static let fetchStride = 7
    static let destinationReadback = 8
    static let drainReadback = 9
    static let wideFill = 10
    static let crc64 = 11
    static let faultInfo = 12
    static let batchContinuation = 15
    static let batchOfOne = 52
}

/// The codes of operations (dsa-device §1.4).
package enum Operation {
    package static let noOp: UInt8 = 0x00
    package static let batch: UInt8 = 0x01
    package static let drain: UInt8 = 0x02
    package static let move: UInt8 = 0x03
    package static let fill: UInt8 = 0x04
    package static let compare: UInt8 = 0x05
    package static let comparePattern: UInt8 = 0x06
    package static let createDelta: UInt8 = 0x07
    package static let applyDelta: UInt8 = 0x08
    package static let dualcast: UInt8 = 0x09
    package static let translationFetch: UInt8 = 0x0A
    package static let crc: UInt8 = 0x10
    package static let copyCRC: UInt8 = 0x11
    package static let difCheck: UInt8 = 0x12
    package static let difInsert: UInt8 = 0x13
    package static let difStrip: UInt8 = 0x14
    package static let difUpdate: UInt8 = 0x15
    package static let cacheFlush: UInt8 = 0x20
}

/// Bits of the flags (dsa-device §1.2, §1.3).
package enum Flag {
    package static let fence = 0
    package static let blockOnFault = 1
    package static let recordAddressValid = 2
    package static let requestRecord = 3
    package static let requestInterrupt = 4
    package static let checkResult = 7
    package static let cacheControl = 8
    package static let selector1 = 9
    package static let selector2 = 10
    package static let selector3 = 11
    package static let recordSelector = 12
    package static let strictOrdering = 13
    package static let destinationReadback = 14
    package static let batchError = 16
    package static let readback1 = 16
    package static let readback2 = 17
    package static let widePattern = 18
    package static let useStride = 16
    package static let readSeed = 16
    package static let bypassInversion = 17
    package static let bypassReflection = 18
    package static let crc64 = 19
}
