import CLossyVFS

/// The disk under a directory, which can lose power.
@safe
final class LossyDisk: @unchecked Sendable {
    // The C side has its own lock, and the disk lives as long as the process.
    private let disk: OpaquePointer

    init(_ directory: TemporaryDirectory) {
        guard let disk = unsafe lossy_disk_create(directory.path) else {
            preconditionFailure("SQLite did not take the lossy VFS")
        }
        unsafe self.disk = unsafe disk
    }

    func cut(after writes: UInt64, _ kind: lossy_cut, seed: UInt64) {
        unsafe lossy_disk_cut_after(disk, writes, kind, seed)
    }

    func cut(_ kind: lossy_cut = LOSSY_DROP, seed: UInt64 = 0) {
        unsafe lossy_disk_cut(disk, kind, seed)
    }

    func restore() {
        unsafe lossy_disk_restore(disk)
    }

    /// A file that would become longer than this fails with `SQLITE_FULL`; `nil` for no limit.
    func limit(_ bytes: Int64?) {
        unsafe lossy_disk_limit(disk, bytes ?? -1)
    }

    var isCut: Bool { unsafe lossy_disk_is_cut(disk) != 0 }
    var syncs: UInt64 { unsafe lossy_disk_syncs(disk) }
    var writes: UInt64 { unsafe lossy_disk_writes(disk) }
}
