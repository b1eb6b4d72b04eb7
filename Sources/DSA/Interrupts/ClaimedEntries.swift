public import DSASpec
public import PCIe

extension Device {
    /// Sets an entry of `table` up for the descriptors of `pasid`, as a driver does for one of its users: a message,
    /// the permission record, no mask.
    ///
    /// An entry counts as unused while it is masked, its permission record as after power-on and nothing pending. The
    /// highest such index is taken, since drivers of whole devices begin with the lowest, and never MSI-X vector 0.
    ///
    /// - Returns: The entry and the handle that descriptors put into their Completion Interrupt Handle; `nil` when no
    ///   entry or no handle is left.
    public mutating func claimInterrupt(
        in table: Portal.InterruptTable, for pasid: HostPASID
    ) -> (vector: InterruptVector, handle: UInt16)? {
        guard let vector = interrupts.unusedEntry(in: table), let handle = interrupts.requestHandle(for: vector) else {
            return nil
        }
        // The platform's interrupt range; which processor and vector follow from the entry.
        interrupts[vector].message = InterruptMessage(
            address: HostPhysicalAddress(rawValue: 0xFEE0_0000), data: UInt32(vector.index))
        interrupts[vector].permission = InterruptPermission(pasid: pasid)
        interrupts[vector].isMasked = false
        return (vector, handle)
    }

    /// Takes an entry back that ``claimInterrupt(in:for:)`` set up, with what is pending. Descriptors that name it from
    /// now on end with 0x19, those in progress interrupt nobody.
    public mutating func releaseInterrupt(_ vector: InterruptVector, handle: UInt16) {
        if profile.usesInterruptHandles, interrupts.vector(ofHandle: handle, in: vector.table) == vector {
            _ = interrupts.releaseHandle(handle, in: vector.table)
        }
        interrupts[vector] = vector.table == .msix ? .msixPowerOn : .imsPowerOn
    }
}

extension InterruptTables {
    /// The unused entry of the highest index, if there is one.
    fileprivate func unusedEntry(in table: Portal.InterruptTable) -> InterruptVector? {
        let first = table == .msix ? 1 : 0
        var index = count(of: table) - 1
        while index >= first {
            let vector = InterruptVector(table, UInt16(index))
            let entry = self[vector]
            if entry.isMasked, !entry.isPending, entry.permission == .powerOn { return vector }
            index -= 1
        }
        return nil
    }
}
