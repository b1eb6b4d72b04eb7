internal import CPlatform
internal import Glibc

/// Anonymous memory with a descriptor (memfd), as either side of a connection makes it.
public enum MemoryFile {
    /// Makes a file of `byteCount` zero bytes and seals it. `name` is for people who look at `/proc`.
    public static func create(
        name: String, byteCount: Int, seals: MemorySeals = [], hugePages: Bool = false
    ) throws(SystemError) -> OwnedFD {
        let number = unsafe platform_memfd(name, hugePages)
        guard number >= 0 else { throw .last("memfd_create", name) }
        let descriptor = OwnedFD(adopting: number)
        guard ftruncate(number, byteCount) == 0 else { throw .last("ftruncate", name) }
        if !seals.isEmpty { try add(seals, to: descriptor) }
        return descriptor
    }

    /// Adds seals. EINVAL when the file is not a memfd, EPERM when it is sealed against that or opened for reading
    /// only.
    public static func add(_ seals: MemorySeals, to descriptor: borrowing OwnedFD) throws(SystemError) {
        guard platform_seals_add(descriptor.rawValue, seals.rawValue) == 0 else { throw .last("fcntl F_ADD_SEALS") }
    }

    /// The seals of a file. EINVAL when its kind has none.
    public static func seals(of descriptor: borrowing OwnedFD) throws(SystemError) -> MemorySeals {
        let seals = platform_seals_get(descriptor.rawValue)
        guard seals >= 0 else { throw .last("fcntl F_GET_SEALS") }
        return MemorySeals(rawValue: seals)
    }
}
