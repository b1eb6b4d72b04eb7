/// What an operation remembers from window to window, beside the blocks that are done.
enum OperationState: Sendable, BitwiseCopyable {
    /// Operations that remember nothing.
    case none
    /// Fill and Compare Pattern.
    case pattern(FillPattern)
    case crc(CRCProgress)
    case createDelta(DeltaCreation)
    case applyDelta(DeltaApplication)
    case dif(DIFProgress)
}
