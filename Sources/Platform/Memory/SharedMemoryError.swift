/// Why a piece of memory is not shared.
public enum SharedMemoryError: Error, Hashable, Sendable {
    /// The descriptor is not a memfd: a file, a pipe, a device.
    case notAMemoryFile
    /// The memfd lives on hugetlbfs, where touching a page can fail by SIGBUS.
    case hugePages
    /// F_SEAL_SHRINK is missing: its owner could cut it under the mapping.
    case notSealedAgainstShrinking
    /// F_SEAL_WRITE or F_SEAL_FUTURE_WRITE is set: a device could never write its completion records.
    case sealedAgainstWriting
    /// The descriptor was not opened for reading and writing.
    case notReadWrite
    /// The file has no bytes.
    case empty
    /// The size is not a multiple of the page size.
    case notPageMultiple(byteCount: Int, pageByteCount: Int)
    /// The file is larger than the limit.
    case tooLarge(byteCount: Int, byteCountMax: Int)
    /// A system call failed.
    case system(SystemError)
}

extension SharedMemoryError: CustomStringConvertible {
    /// The reason in one sentence, for the client that offered the memory.
    public var description: String {
        switch self {
        case .notAMemoryFile:
            "the descriptor is not a memfd; create it with memfd_create(MFD_ALLOW_SEALING)"
        case .hugePages:
            "the memfd uses huge pages (MFD_HUGETLB); create it without"
        case .notSealedAgainstShrinking:
            "the memfd lacks F_SEAL_SHRINK; set it with fcntl(F_ADD_SEALS) before passing it"
        case .sealedAgainstWriting:
            "the memfd is sealed against writing (F_SEAL_WRITE or F_SEAL_FUTURE_WRITE)"
        case .notReadWrite:
            "the memfd was not opened for reading and writing"
        case .empty:
            "the memfd has no bytes; size it with ftruncate before passing it"
        case .notPageMultiple(let byteCount, let pageByteCount):
            "\(byteCount) bytes are not a multiple of the page size, \(pageByteCount)"
        case .tooLarge(let byteCount, let byteCountMax):
            "\(byteCount) bytes are more than the limit of \(byteCountMax)"
        case .system(let error):
            error.description
        }
    }
}
