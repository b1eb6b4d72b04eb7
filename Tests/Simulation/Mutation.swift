/// A deliberate mistake: the simulator has to find each.
public enum Mutation: String, CaseIterable, Sendable {
    /// The editor of a table reads the vCPUs' modes before its gate is visible.
    case editorWithoutBarrier
    /// A vCPU reads the gate before its mode is visible.
    case entryWithoutBarrier
    /// The devices drain a PASID while processors can still submit with it.
    case drainBeforeRemoval
    /// The IOMMU's entry is cleared, and what is cached of it stays.
    case missingInvalidation
    /// UNBIND is sent after the SPID was cleared: its payload carries none.
    case unbindAfterClearing
}
