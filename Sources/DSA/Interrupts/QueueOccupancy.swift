internal import DSASpec

extension WorkQueue {
    /// The occupancy at which the interrupt fires, -1 while it does not.
    @inline(__always) var occupancyTrigger: Int {
        let interrupt = configuration.occupancyInterrupt
        return interrupt.isEnabled && !isOccupancyInterruptGenerated ? Int(interrupt.limit) : -1
    }
}

extension Device {
    /// Fires the occupancy interrupt of WQ `queue` if it is due (dsa-device 6.4). Called whenever the occupancy falls
    /// and whenever the condition changes: an occupancy that is low already fires too.
    @inline(__always)
    mutating func noteOccupancy(of queue: Int) {
        guard workQueues[queue].occupancy <= workQueues[queue].occupancyTrigger else { return }
        generateOccupancyInterrupt(of: queue)
    }

    private mutating func generateOccupancyInterrupt(of queue: Int) {
        guard workQueues[queue].state != .disabled, profile.workQueueFeatures.contains(.occupancyInterrupt) else {
            return
        }
        workQueues[queue].isOccupancyInterruptGenerated = true
        interruptCause.insert(.occupancy)
        let interrupt = workQueues[queue].configuration.occupancyInterrupt
        // Unlike other causes this one has an entry of its own, so that vector 0 stays silent unless it is that.
        // The handle may have been written, released or revoked since Enable WQ checked it.
        guard let vector = interrupts.vector(ofHandle: interrupt.handle, in: interrupt.table) else { return }
        raise(vector)
    }

    /// Clears Occupancy Interrupt Generated of WQ `index`, as software does by writing 1 to it: the interrupt may fire
    /// again, at once if the occupancy is still at or below the limit.
    public mutating func clearOccupancyInterrupt(of index: Int) {
        workQueues[index].isOccupancyInterruptGenerated = false
        noteOccupancy(of: index)
    }

    /// What Enable WQ requires of an occupancy interrupt (0x2B).
    func isOccupancyInterruptValid(_ interrupt: OccupancyInterrupt) -> Bool {
        guard interrupt.isEnabled else { return true }
        guard profile.workQueueFeatures.contains(.occupancyInterrupt) else { return false }
        return interrupts.vector(ofHandle: interrupt.handle, in: interrupt.table) != nil
    }
}
