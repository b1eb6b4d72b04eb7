/// What all roles agree on.
enum Setting {
    static let device = "dsa0"
    /// The shared WQ. Of its two portals everybody uses the limited one.
    static let workQueue: UInt32 = 0
    /// The PASID that both guests use, each its own.
    static let guestPASID: UInt32 = 5
    /// A guest PASID that nobody binds.
    static let unboundGuestPASID: UInt32 = 6
    /// Longest wait for the daemon or another process, milliseconds. Nothing here takes a second.
    static let patienceMilliseconds: UInt32 = 60_000
}
