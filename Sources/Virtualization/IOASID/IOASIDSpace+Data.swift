public import PCIe

extension IOASIDSpace {
    /// Attaches one word of private data, such as the number of the bound process.
    ///
    /// - Throws: ENOENT when there is no such IOASID; EBUSY when it has data or is free-pending.
    public mutating func attachData(_ data: UInt64, to id: HostPASID) throws(IOASIDError) {
        let raw = id.rawValue
        guard table.isAllocated(raw) else { throw .noEntry }
        guard !table[raw].hasData, !table[raw].isFreePending else { throw .busy }
        table[raw].data = data
        table[raw].hasData = true
    }

    /// Takes the private data off, from a free-pending IOASID as well. There is no reader to wait for: the space has
    /// one owner.
    ///
    /// - Throws: ENOENT when there is no such IOASID, or no data.
    @discardableResult
    public mutating func detachData(from id: HostPASID) throws(IOASIDError) -> UInt64 {
        let raw = id.rawValue
        guard table.isAllocated(raw), table[raw].hasData else { throw .noEntry }
        table[raw].hasData = false
        return table[raw].data
    }

    /// The private data of an IOASID, which must be in `set` unless that is `nil`; `nil` when none is attached.
    ///
    /// - Throws: ENOENT when there is no such IOASID, or it is free-pending; EACCES when it is in another set.
    public func findData(of id: HostPASID, in set: IOASIDSetID? = nil) throws(IOASIDError) -> UInt64? {
        let raw = id.rawValue
        guard table.isAllocated(raw) else { throw .noEntry }
        guard belongs(raw, to: set) else { throw .accessDenied }
        guard !table[raw].isFreePending else { throw .noEntry }
        return table[raw].hasData ? table[raw].data : nil
    }
}
