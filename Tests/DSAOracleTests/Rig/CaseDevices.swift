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
        return [produced, little, early]
    }()

    var profile: DeviceProfile {
        var profile = DeviceProfile.dsa1
        profile.general = GeneralCapabilities(rawValue: generalCapabilities)
        profile.operations = OpcodeSet(bits: operations)
        profile.isPrivilegedModeEnabled = isPrivilegedModeEnabled
        profile.engineCount = 1
        return profile
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
