import DSA
import DSAOracle
import DSASpec
import PCIe

extension CaseDevice {
    private static let dsa1Operations = DeviceProfile.dsa1.operations.bits

    static let produced = CaseDevice(name: "DSA 1.0 as produced", operations: dsa1Operations)

    /// The devices on which the cases run.
    static let all: [CaseDevice] = {
        // No overlapping moves, no cache control, no destination readback; small transfers and batches.
        var little = CaseDevice(name: "DSA 1.0 with little", operations: dsa1Operations)
        little.generalCapabilities = 0x40_915F_0001
        little.isPrivilegedModeEnabled = false
        little.maximumTransferShift = 11
        little.maximumBatchShift = 2

        // Cache control of Cache Flush; transfers up to a page.
        var early = CaseDevice(name: "DSA 1.0, early", operations: dsa1Operations)
        early.generalCapabilities = 0x40_915F_010F
        early.maximumTransferShift = 12
        early.maximumBatchShift = 3
        little.generalCapabilities |= 1 << 52
        return [
            produced, little, early, asking, generation2, smallGeneration2, logging, loggingWithPages,
        ]
    }()

    /// The function asks for pages, and nobody brings them; users may have interrupts.
    private static let asking = {
        var device = CaseDevice(name: "DSA 1.0 with page requests and interrupts", operations: dsa1Operations)
        // Readback addresses of Drain.
        device.generalCapabilities |= 1 << 9
        device.asksForPages = true
        device.grantedHandles = [[1, 2], [3]]
        return device
    }()

    /// What DSA 2.0 adds, and page requests and interrupts with it.
    static let generation2 = {
        var device = CaseDevice(name: "DSA 2.0", operations: DeviceProfile.dsa2.operations.bits)
        device.generalCapabilities = GeneralCapabilities.dsa2.rawValue | 1 << 9
        device.isGeneration2 = true
        device.asksForPages = true
        device.grantedHandles = [[2], [1, 4]]
        return device
    }()

    /// DSA 2.0 without fault info, batch continuation and strides, and without page requests.
    private static let smallGeneration2 = {
        var device = CaseDevice(name: "DSA 2.0 with little", operations: DeviceProfile.dsa2.operations.bits)
        device.generalCapabilities = GeneralCapabilities.dsa2.rawValue & ~(1 << 7 | 1 << 12 | 1 << 15)
        device.isGeneration2 = true
        device.maximumTransferShift = 14
        device.maximumBatchShift = 3
        return device
    }()

    /// DSA 2.0 with an event log in use, without page requests, so that successful Drains report there too.
    private static let logging = {
        var device = generation2
        device.asksForPages = false
        device.usesEventLog = true
        return device
    }()

    private static let loggingWithPages = {
        var device = generation2
        device.usesEventLog = true
        return device
    }()

    /// The other answer to each open point that one descriptor shows.
    private static let otherAnswers = {
        var device = CaseDevice(name: "DSA 1.0 with the other answers", operations: dsa1Operations)
        device.openPoints.namesAllRequiredFlags = true
        device.openPoints.refusesPartialBlocks = false
        device.openPoints.refusesFragments = true
        device.openPoints.masksStoredApplicationTag = true
        device.openPoints.masksReportedApplicationTag = true
        device.openPoints.flushWrites = true
        device.openPoints.acceptsSteeringTags = true
        device.openPoints.refusesNearbyStrip = true
        device.openPoints.comparesWholeExpectation = true
        device.openPoints.reportsAllFErrorWithoutChecks = false
        device.reversesChecks = true
        return device
    }()

    var profile: DeviceProfile {
        var profile = isGeneration2 ? DeviceProfile.dsa2 : .dsa1
        profile.openPoints = answers
        profile.general = GeneralCapabilities(rawValue: generalCapabilities)
        profile.operations = OpcodeSet(bits: operations)
        profile.isPrivilegedModeEnabled = isPrivilegedModeEnabled
        profile.engineCount = 1
        return profile
    }

    private var answers: DSASpec.OpenPoints {
        var answers = DSASpec.OpenPoints()
        if reversesChecks { answers.checkOrder = .reversed }
        if openPoints.namesAllRequiredFlags { answers.missingFlags = .allRequired }
        if !openPoints.refusesPartialBlocks { answers.difTransferSize = .anySize }
        if openPoints.refusesFragments { answers.deltaFragment = .refused }
        if openPoints.masksStoredApplicationTag { answers.applicationTagCompare = .storedMasked }
        if openPoints.masksReportedApplicationTag { answers.applicationTagReport = .masked }
        if openPoints.flushWrites { answers.cacheFlushAccess = .write }
        if openPoints.acceptsSteeringTags { answers.steeringTags = .accepted }
        if openPoints.refusesNearbyStrip { answers.difStripNearby = .refused }
        if openPoints.comparesWholeExpectation { answers.expectedResult = .wholeByte }
        if !openPoints.reportsAllFErrorWithoutChecks { answers.allFWithoutChecks = .skipped }
        if stopsAtLines { answers.partialCompletion = .everyLine }
        if isGeneration2 { answers.workQueueConfigurationStride = .bytes64 }
        return answers
    }

    /// WQ `queue` for the device.
    func workQueue(_ queue: Int) -> WorkQueueConfiguration {
        let isShared = queue == CaseLayout.sharedQueue
        var configuration = WorkQueueConfiguration()
        configuration.size = 8
        configuration.threshold = 8
        configuration.priority = 1
        configuration.mode = isShared ? .shared : .dedicated
        configuration.pasidEnable = true
        if !isShared {
            configuration.pasid = HostPASID(truncating: CaseLayout.pasids[CaseLayout.space(ofQueue: queue)])
        }
        configuration.isPrivileged = isPrivileged(queue: queue)
        configuration.blockOnFaultEnable = asksForPages
        configuration.maximumTransferShift = maximumTransferShift
        configuration.maximumBatchShift = maximumBatchShift
        return configuration
    }
}
