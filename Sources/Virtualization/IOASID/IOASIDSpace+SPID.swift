public import PCIe

/// An attachment or a detachment that has been announced and is not complete. Whoever began it finishes it with this.
public struct IOASIDBindingChange: Hashable, Sendable, BitwiseCopyable {
    /// The IOASID whose attachment changes.
    public let id: HostPASID
    /// The guest PASID that it gets or loses.
    public let spid: GuestPASID
    let serial: UInt64
}

// A bind has two phases because it can fail half-way: a VM that is out of memory for its PASID translation table, a
// history that cannot be written. The kernel's core ignores what its BIND handlers report; then the guest would believe
// in a mapping that does not exist (virtualization §5.6).

extension IOASIDSpace {
    /// Announces that the IOASID stands for the guest PASID `spid` in its set: reserves the SPID and sends BIND.
    ///
    /// The SPID can be found after ``commitAttach(_:)``; ``abortAttach(_:)`` takes everything back (I-16).
    ///
    /// - Throws: ENOENT when there is no such IOASID; EBUSY when it is free-pending or has an SPID; EINVAL when `spid`
    ///   is taken in the set.
    public mutating func beginAttach(
        _ id: HostPASID, spid: GuestPASID, events: inout IOASIDEventQueue
    ) throws(IOASIDError) -> IOASIDBindingChange {
        let raw = id.rawValue
        guard table.isAllocated(raw) else { throw .noEntry }
        guard !table[raw].isFreePending, table[raw].binding == .none else { throw .busy }
        let slot = Int(table[raw].set)
        guard sets[slot].spids[spid] == nil else { throw .invalidArgument }
        sets[slot].spids.insert(id, for: spid)
        bindingSerial += 1
        table[raw].bindingSerial = bindingSerial
        table[raw].spid = spid.rawValue
        table[raw].binding = .attaching
        events.append(event(.bind, raw))
        return IOASIDBindingChange(id: id, spid: spid, serial: bindingSerial)
    }

    /// Completes an attachment: the SPID can be found.
    ///
    /// - Throws: ENOENT when the IOASID was freed, or the change ended, in between. Its subscribers have had FREE, or
    ///   will have it.
    public mutating func commitAttach(_ change: IOASIDBindingChange) throws(IOASIDError) {
        guard isCurrent(change, .attaching) else { throw .noEntry }
        table[change.id.rawValue].binding = .attached
    }

    /// Takes an attachment back because a subscriber could not follow it. No event is sent: the subscribers that did
    /// follow are told by the caller, in reverse order.
    ///
    /// - Returns: Whether the attachment was still under way.
    @discardableResult
    public mutating func abortAttach(_ change: IOASIDBindingChange) -> Bool {
        guard isCurrent(change, .attaching) else { return false }
        releaseSPID(of: change.id.rawValue)
        return true
    }

    /// Announces that the IOASID no longer stands for its guest PASID: sends UNBIND, which carries the SPID. The SPID
    /// can no longer be found, and nothing else gets it before ``finishDetach(_:)``.
    ///
    /// - Throws: ENOENT when there is no such IOASID or it has no SPID, free-pending ones included: their FREE was also
    ///   the end of the attachment (I-15). EBUSY while an attachment or a detachment is under way.
    public mutating func beginDetach(
        _ id: HostPASID, events: inout IOASIDEventQueue
    ) throws(IOASIDError) -> IOASIDBindingChange {
        let raw = id.rawValue
        guard table.isAllocated(raw), let spid = table[raw].boundSPID else { throw .noEntry }
        guard table[raw].binding == .attached else { throw .busy }
        events.append(event(.unbind, raw))
        bindingSerial += 1
        table[raw].bindingSerial = bindingSerial
        table[raw].binding = .detaching
        return IOASIDBindingChange(id: id, spid: spid, serial: bindingSerial)
    }

    /// Completes a detachment, once every subscriber has dealt with UNBIND: the SPID may be attached again.
    ///
    /// - Returns: Whether the detachment was still under way; not so when the IOASID was freed in between.
    @discardableResult
    public mutating func finishDetach(_ change: IOASIDBindingChange) -> Bool {
        guard isCurrent(change, .detaching) else { return false }
        releaseSPID(of: change.id.rawValue)
        return true
    }

    /// The IOASID that stands for `spid` in `set`; `nil` when none does. With `takingReference` its user holds one more
    /// reference.
    public mutating func find(
        spid: GuestPASID, in set: IOASIDSetID, takingReference: Bool
    ) -> HostPASID? {
        guard let id = find(spid: spid, in: set) else { return nil }
        if takingReference { table[id.rawValue].referenceCount += 1 }
        return id
    }

    /// The IOASID that stands for `spid` in `set`; `nil` when none does.
    public func find(spid: GuestPASID, in set: IOASIDSetID) -> HostPASID? {
        guard let slot = slot(of: set), let id = sets[slot].spids[spid], table[id.rawValue].binding == .attached
        else { return nil }
        return id
    }

    /// Whether `spid` is taken in `set`: attached, or on its way in or out.
    public func isTaken(spid: GuestPASID, in set: IOASIDSetID) -> Bool {
        slot(of: set).map { sets[$0].spids[spid] != nil } ?? false
    }

    private func isCurrent(_ change: IOASIDBindingChange, _ binding: IOASIDEntry.Binding) -> Bool {
        let raw = change.id.rawValue
        return table.isAllocated(raw) && table[raw].binding == binding && table[raw].bindingSerial == change.serial
    }

    /// Ends whatever attachment the IOASID has.
    mutating func releaseSPID(of id: UInt32) {
        guard let spid = table[id].boundSPID else { return }
        sets[Int(table[id].set)].spids.remove(spid)
        table[id].binding = .none
    }
}
