internal import CPlatform
internal import Glibc

/// Memory that two processes map: a memfd whose size can be relied on.
public struct SharedMemory: ~Copyable, Sendable {
    /// The memfd, for passing on. Mappings live on without it.
    public let descriptor: OwnedFD

    /// The size in bytes: at least one page, a multiple of ``PageSize/byteCount``, and never less from now on.
    public let byteCount: Int

    /// Makes memory of `byteCount` zero bytes that nobody can resize or seal further. It counts only once it is
    /// touched.
    public static func create(name: String, byteCount: Int) throws(SharedMemoryError) -> SharedMemory {
        try check(byteCount: byteCount, max: .max)
        do {
            let descriptor = try MemoryFile.create(name: name, byteCount: byteCount, seals: [.shrink, .grow, .seal])
            return SharedMemory(descriptor: descriptor, byteCount: byteCount)
        } catch {
            throw .system(error)
        }
    }

    /// Takes over a descriptor that a client passed, if it is memory that the client cannot turn against this process.
    /// In case of an error the descriptor is closed.
    public static func adopt(
        _ descriptor: consuming OwnedFD, byteCountMax: Int
    ) throws(SharedMemoryError) -> SharedMemory {
        let seals: MemorySeals
        do {
            seals = try MemoryFile.seals(of: descriptor)
        } catch {
            // EBADF: a descriptor opened with O_PATH, which may name a memfd but gives no access to it.
            guard error.code == EINVAL || error.code == EBADF else { throw .system(error) }
            throw .notAMemoryFile
        }
        switch platform_is_hugetlb(descriptor.rawValue) {
        case 0: break
        case 1: throw .hugePages
        default: throw .system(.last("fstatfs"))
        }
        guard seals.contains(.shrink) else { throw .notSealedAgainstShrinking }
        guard seals.isDisjoint(with: [.write, .futureWrite]) else { throw .sealedAgainstWriting }
        switch platform_is_read_write(descriptor.rawValue) {
        case 1: break
        case 0: throw .notReadWrite
        default: throw .system(.last("fcntl F_GETFL"))
        }
        // Only now: until the seal was seen the size could still have become smaller.
        var info = stat()
        guard unsafe fstat(descriptor.rawValue, &info) == 0 else { throw .system(.last("fstat")) }
        try check(byteCount: Int(info.st_size), max: byteCountMax)
        return SharedMemory(descriptor: descriptor, byteCount: Int(info.st_size))
    }

    /// Maps all of it for reading and writing.
    public func map() throws(SystemError) -> MemoryMapping {
        try MemoryMapping(descriptor: descriptor.rawValue, byteCount: byteCount)
    }

    private init(descriptor: consuming OwnedFD, byteCount: Int) {
        self.descriptor = descriptor
        self.byteCount = byteCount
    }

    private static func check(byteCount: Int, max: Int) throws(SharedMemoryError) {
        guard byteCount > 0 else { throw .empty }
        guard byteCount.isMultiple(of: PageSize.byteCount) else {
            throw .notPageMultiple(byteCount: byteCount, pageByteCount: PageSize.byteCount)
        }
        guard byteCount <= max else { throw .tooLarge(byteCount: byteCount, byteCountMax: max) }
    }
}
