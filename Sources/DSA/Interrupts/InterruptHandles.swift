/// The handles of one interrupt table, for devices that list the commands Request and Release Interrupt Handle
/// (dsa-device 6.7, 7.4). A handle is a number of the device's choice that stands for an entry.
///
/// Handles are given out in a round, so that one that was released or revoked does not soon mean another entry.
struct InterruptHandles: Sendable {
    /// The entry behind each handle, -1 while the handle is free.
    private var entries: [Int32]
    private var next = 0

    init(count: Int) {
        entries = Array(repeating: -1, count: count)
    }

    var count: Int { entries.count }

    /// The entry behind `handle`; `nil` when it was not given out, or was released or revoked.
    func entry(of handle: UInt16) -> UInt16? {
        guard Int(handle) < entries.count, entries[Int(handle)] >= 0 else { return nil }
        return UInt16(truncatingIfNeeded: entries[Int(handle)])
    }

    /// The handle of `entry`, the one it has or a new one; `nil` when none is free.
    mutating func request(for entry: UInt16) -> UInt16? {
        if let given = entries.firstIndex(of: Int32(entry)) { return UInt16(given) }
        for _ in entries.indices {
            let handle = next
            next += 1
            if next == entries.count { next = 0 }
            guard entries[handle] < 0 else { continue }
            entries[handle] = Int32(entry)
            return UInt16(handle)
        }
        return nil
    }

    /// Takes `handle` back. Returns whether it was given out.
    mutating func release(_ handle: UInt16) -> Bool {
        guard entry(of: handle) != nil else { return false }
        entries[Int(handle)] = -1
        return true
    }

    /// Takes all handles back. Returns whether any was given out.
    mutating func releaseAll() -> Bool {
        var found = false
        for handle in entries.indices where entries[handle] >= 0 {
            entries[handle] = -1
            found = true
        }
        return found
    }
}
