internal import DSASpec
internal import PCIe

extension Device {
    /// Writes GENCFG bit 12, User-mode Interrupts Enable. Needs a Disabled device.
    ///
    /// - Returns: Whether it was taken.
    public mutating func enableUserInterrupts(_ isEnabled: Bool) -> Bool {
        var wanted = generalConfiguration
        wanted.areUserInterruptsEnabled = isEnabled
        return configure(wanted)
    }

    /// GENCFG bit 12, User-mode Interrupts Enable.
    public var areUserInterruptsEnabled: Bool { generalConfiguration.areUserInterruptsEnabled }

    /// Finds the entry that the current descriptor of engine `index`, which requests an interrupt, names, and tells the
    /// checks whether it may (dsa-device 6.7). The engine remembers the entry for the end of the descriptor.
    mutating func findInterrupt(engine index: Int, for context: inout CheckContext) {
        let descriptor = engines[index].current
        let table = engines[index].item.portal.interruptTable
        context.interruptHandleCount = UInt16(clamping: interrupts.handleCount(of: table))
        let vector = interrupts.vector(ofHandle: descriptor.completionInterruptHandle, in: table)
        let isGranted = vector.map { interrupts[$0].permission.admits(engines[index].pasid) } ?? false
        context.isInterruptHandleGranted = isGranted
        // Whatever else a descriptor fails for, its interrupt is delivered only if it may request one.
        let isPrivileged = context.isPrivilegedModeEnabled && context.isPrivileged(descriptor)
        let mayRequest = context.areUserInterruptsEnabled || !context.isPASIDEnabled || isPrivileged
        engines[index].interrupt = isGranted && mayRequest ? vector : nil
    }

    /// Delivers the interrupt that the current descriptor of engine `index` requested. Called after its record, or
    /// what reports its end instead.
    mutating func interruptCompletion(engine index: Int) {
        guard engines[index].current.flags.contains(.requestCompletionInterrupt),
            let vector = engines[index].interrupt
        else { return }
        // The entry may have been given to somebody else while the descriptor was executed (D-10).
        guard interrupts[vector].permission.admits(engines[index].pasid) else { return }
        send(interrupts.signal(vector))
    }

    /// Raises the interrupt of an entry for a cause that is no descriptor's: no PASID is checked.
    mutating func raise(_ vector: InterruptVector) {
        send(interrupts.signal(vector))
    }

    /// Sends what an entry returned to be sent.
    mutating func send(_ interrupt: DeviceInterrupt?) {
        guard let interrupt else { return }
        effects.append(.interrupt(interrupt))
    }
}
