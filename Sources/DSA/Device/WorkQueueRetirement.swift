internal import DSASpec

extension Device {
    /// Disables a WQ at once and abandons its descriptors, without records: its owner is gone. An engine that has one
    /// of them ends it as an abort does.
    public mutating func retire(workQueue index: Int) {
        workQueues[index].state = .disabled
        abort(.workQueues(1 << UInt64(index)))
    }
}
