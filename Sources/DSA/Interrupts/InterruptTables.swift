internal import DSASpec
internal import PCIe

/// The MSI-X table with its permission records and pending bits, the interrupt message storage, and the handles of
/// both (dsa-device 6.7, 7.7).
///
/// The MSI-X capability of the function is always enabled and its function mask 0.
struct InterruptTables: Sendable {
    /// The MSI-X entries, then those of the IMS.
    private var entries: [InterruptEntry]
    private let msixCount: Int
    /// The handles by table; `nil` where the index is the handle.
    private var handles: (msix: InterruptHandles, ims: InterruptHandles)?

    init(profile: DeviceProfile) {
        let imsCount = profile.general.interruptMessageStorageEntryCount
        msixCount = profile.msixVectorCount
        entries = Array(repeating: .msixPowerOn, count: msixCount) + Array(repeating: .imsPowerOn, count: imsCount)
        guard profile.usesInterruptHandles else { return }
        handles = (
            InterruptHandles(count: min(profile.interruptHandleCount, msixCount)),
            InterruptHandles(count: min(profile.interruptHandleCount, imsCount))
        )
    }

    /// How many entries `table` has.
    func count(of table: Portal.InterruptTable) -> Int {
        switch table {
        case .msix: msixCount
        case .ims: entries.count - msixCount
        }
    }

    /// Whether the entry exists.
    func contains(_ vector: InterruptVector) -> Bool { Int(vector.index) < count(of: vector.table) }

    /// - Precondition: The entry exists.
    subscript(vector: InterruptVector) -> InterruptEntry {
        _read { yield entries[position(of: vector)] }
        _modify { yield &entries[position(of: vector)] }
    }

    private func position(of vector: InterruptVector) -> Int {
        precondition(contains(vector), "an entry of the table")
        return vector.table == .msix ? Int(vector.index) : msixCount + Int(vector.index)
    }

    // MARK: Delivery

    /// Raises the interrupt of an entry: dropped by Ignore, kept pending by the mask, else returned to be sent.
    mutating func signal(_ vector: InterruptVector) -> DeviceInterrupt? {
        let entry = self[vector]
        guard !entry.permission.isIgnored else { return nil }
        guard !entry.isMasked else {
            self[vector].isPending = true
            return nil
        }
        return DeviceInterrupt(vector: vector, message: entry.message, pasid: entry.permission.pasid)
    }

    /// Masks an entry, or takes its mask away, which delivers what is pending.
    mutating func setMask(_ isMasked: Bool, of vector: InterruptVector) -> DeviceInterrupt? {
        self[vector].isMasked = isMasked
        guard !isMasked, self[vector].isPending else { return nil }
        self[vector].isPending = false
        return signal(vector)
    }

    // MARK: Handles

    /// How many handles `table` has: Completion Interrupt Handles below are in range.
    func handleCount(of table: Portal.InterruptTable) -> Int {
        guard let handles else { return count(of: table) }
        return table == .msix ? handles.msix.count : handles.ims.count
    }

    /// The entry that a handle names; `nil` when it is out of range, was not given out, or was taken back.
    func vector(ofHandle handle: UInt16, in table: Portal.InterruptTable) -> InterruptVector? {
        guard let handles else {
            let vector = InterruptVector(table, handle)
            return contains(vector) ? vector : nil
        }
        return (table == .msix ? handles.msix : handles.ims).entry(of: handle).map { InterruptVector(table, $0) }
    }

    /// The handle that stands for an entry, given out if it has none; `nil` when no handle is free.
    mutating func requestHandle(for vector: InterruptVector) -> UInt16? {
        guard handles != nil else { return vector.index }
        return switch vector.table {
        case .msix: handles?.msix.request(for: vector.index)
        case .ims: handles?.ims.request(for: vector.index)
        }
    }

    /// Takes a handle back. Returns whether it was given out.
    mutating func releaseHandle(_ handle: UInt16, in table: Portal.InterruptTable) -> Bool {
        switch table {
        case .msix: handles?.msix.release(handle) ?? false
        case .ims: handles?.ims.release(handle) ?? false
        }
    }

    /// Takes all handles back. Returns whether any was given out.
    mutating func releaseAllHandles() -> Bool {
        let hadMSIX = handles?.msix.releaseAll() ?? false
        let hadIMS = handles?.ims.releaseAll() ?? false
        return hadMSIX || hadIMS
    }

    // MARK: Reset

    /// A function level reset: everything returns to power-on.
    mutating func powerOn() {
        for position in 0..<msixCount { entries[position] = .msixPowerOn }
        reset()
    }

    /// Reset Device: permissions, IMS and handles return to power-on, the MSI-X table and its pending bits stay
    /// (dsa-device 7.5).
    mutating func reset() {
        for position in 0..<msixCount { entries[position].permission = .powerOn }
        for position in msixCount..<entries.count { entries[position] = .imsPowerOn }
        _ = releaseAllHandles()
    }
}
