/// A device that cases are made for, in numbers.
package struct CaseDevice: Sendable {
    package let name: String
    /// GENCAP.
    package var generalCapabilities: UInt64 = 0x40_915F_0107
    /// OPCAP bits 63:0.
    package var operations: UInt64
    package var isPrivilegedModeEnabled = true
    /// WQCFG of all WQs.
    package var maximumTransferShift: UInt8 = 31
    package var maximumBatchShift: UInt8 = 10

    /// VERSION is 2.0.
    package var isGeneration2 = false
    /// Entries of the MSI-X table that each of the first two PASIDs may use; users may ask for interrupts then.
    package var grantedHandles: [[UInt16]] = []
    /// The answers to the points of Appendix B.
    package var openPoints = OracleContext.OpenPoints()
    /// A page fault divides an operation at a multiple of 64 bytes. The model knows the exact boundary only, so that
    /// such a device is held against undisturbed runs.
    package var stopsAtLines = false
    /// Errors go into an event log.
    package var usesEventLog = false
    /// The checks are made from the end of table 3.2.
    package var reversesChecks = false

    /// The function may send page requests, and the WQs have BOF Enable.
    package var asksForPages = false

    package init(name: String, operations: UInt64) {
        self.name = name
        self.operations = operations
    }

    /// What WQ `queue` is to the model.
    package func context(queue: Int) -> OracleContext {
        var context = OracleContext(
            generalCapabilities: generalCapabilities, operations: operations, workQueue: queue,
            maximumTransfer: 1 << UInt64(maximumTransferShift), maximumBatch: 1 << UInt64(maximumBatchShift))
        context.isShared = queue == CaseLayout.sharedQueue
        context.isPrivilegedModeEnabled = isPrivilegedModeEnabled
        context.isPrivileged = isPrivileged(queue: queue)
        context.isBlockOnFaultEnabled = asksForPages
        context.mayAskForPages = asksForPages
        context.usesEventLog = usesEventLog
        context.isGeneration2 = isGeneration2
        context.openPoints = openPoints
        for (space, handles) in grantedHandles.enumerated() {
            context.interruptHandles[CaseLayout.pasids[space]] = Set(handles)
            context.isUserInterruptEnabled = true
        }
        if reversesChecks { context.checkOrder = OracleContext.reversedCheckOrder }
        context.pasid = CaseLayout.pasids[CaseLayout.space(ofQueue: queue)]
        return context
    }

    /// Whether a dedicated WQ has Priv.
    package func isPrivileged(queue: Int) -> Bool { queue == CaseLayout.privilegedQueue && isPrivilegedModeEnabled }
}
