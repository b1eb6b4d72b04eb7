internal import CPlatform
internal import Glibc

/// The memory of another process, reached by copying: `process_vm_readv`, `process_vm_writev`, and the present bits of
/// `/proc/PID/pagemap`.
///
/// For one thread, which may have to wait: a process can keep its pages from being read for as long as it likes. It
/// must not be a thread that anybody else depends on.
@safe
public final class ProcessMemory {
    /// Bytes of the other process and where they lie, or go, in this one.
    @unsafe
    public struct Piece: BitwiseCopyable {
        let raw: platform_memory_piece

        /// `byteCount` bytes, at `address` there and at `local` here.
        public init(local: UnsafeMutableRawPointer, address: UInt64, byteCount: Int) {
            unsafe raw = unsafe platform_memory_piece(local: local, address: address, byte_count: byteCount)
        }

        var address: UInt64 { unsafe raw.address }
        var byteCount: Int { unsafe raw.byte_count }
    }

    /// How an access ended.
    public enum Outcome: Hashable, Sendable {
        /// This many bytes, from the first; fewer than asked for when the next cannot be accessed.
        case bytes(Int)
        /// The process has exited, or runs another program.
        case gone
    }

    /// The first address that is never a user's on x86-64 with four levels of page tables.
    private static let addressLimit: UInt64 = 0x7FFF_FFFF_F000

    private let process: ProcessID
    private let image: ProcessImage
    private let pages: UnsafeMutablePointer<Piece>
    private var pageCount = 0
    private let entries: UnsafeMutablePointer<UInt64>
    private static let entryCountMax = 512

    /// The memory of the program that `image` holds and `process` runs.
    public init(of process: ProcessID, image: ProcessImage) {
        self.process = process
        self.image = image
        unsafe pages = .allocate(capacity: 1024)
        unsafe entries = .allocate(capacity: Self.entryCountMax)
    }

    deinit {
        unsafe pages.deallocate()
        unsafe entries.deallocate()
    }

    /// Whether this process may reach that memory: asks the kernel for a byte that cannot be there.
    ///
    /// - Throws: EPERM when it may not, ESRCH when the process is gone.
    public func probe() throws(SystemError) {
        var byte: UInt8 = 0
        let result = unsafe withUnsafeMutableBytes(of: &byte) { byte in
            var piece = unsafe platform_memory_piece(local: byte.baseAddress, address: 0, byte_count: 1)
            return unsafe platform_process_read(process.rawValue, &piece, 1)
        }
        guard result < 0 else { return }
        let error = SystemError.last("process_vm_readv", "process \(process)")
        guard error.code == EFAULT else { throw error }
    }

    // MARK: Copies

    /// Begins the list of a copy.
    public func beginPieces() {
        pageCount = 0
    }

    /// Adds to the list, at most 1024 pieces.
    public func append(_ piece: Piece) {
        precondition(pageCount < 1024, "a copy has at most 1024 pieces")
        unsafe (pages + pageCount).initialize(to: piece)
        pageCount += 1
    }

    /// Copies the listed bytes from the other process.
    public func read() -> Outcome {
        outcome(
            unsafe pages.withMemoryRebound(to: platform_memory_piece.self, capacity: pageCount) { pieces in
                unsafe platform_process_read(process.rawValue, pieces, pageCount)
            })
    }

    /// Copies the listed bytes to the other process, in the order of the list.
    public func write() -> Outcome {
        outcome(
            unsafe pages.withMemoryRebound(to: platform_memory_piece.self, capacity: pageCount) { pieces in
                unsafe platform_process_write(process.rawValue, pieces, pageCount)
            })
    }

    private func outcome(_ result: Int) -> Outcome {
        guard result < 0 else { return .bytes(result) }
        switch errno {
        case ESRCH, EPERM: return .gone
        // EFAULT: the first byte cannot be accessed. ENOMEM: neither can what the kernel has no memory for.
        default: return .bytes(0)
        }
    }

    // MARK: Present pages

    /// How many of the listed bytes, from the first, lie in pages that are there: not swapped out, and for a write
    /// neither the shared zero page nor shared with a copy of the process.
    ///
    /// A page of a private file mapping that would be copied at the first write counts as there: the kernel does not
    /// tell it from one of a shared mapping.
    public func presentByteCount(isWrite: Bool) -> Outcome {
        var total = 0
        var index = 0
        // The page whose entry was read last: pieces often share one.
        var knownPage = UInt64.max
        while index < pageCount {
            let address = unsafe pages[index].address
            let byteCount = unsafe pages[index].byteCount
            var covered = 0
            while covered < byteCount {
                let position = address + UInt64(covered)
                guard position < Self.addressLimit else { return .bytes(total) }
                let page = position / 4096
                let inPage = min(4096 - Int(position % 4096), byteCount - covered)
                if page != knownPage {
                    let wanted = (Int(position % 4096) + byteCount - covered + 4095) / 4096
                    let count = min(wanted, Self.entryCountMax)
                    guard let read = unsafe image.readEntries(count, from: page, into: entries) else { return .gone }
                    guard read > 0 else { return .bytes(total) }
                    var number = 0
                    while number < read {
                        guard unsafe Self.isPresent(entries[number], isWrite: isWrite) else { return .bytes(total) }
                        let rest = min(4096 - Int((address + UInt64(covered)) % 4096), byteCount - covered)
                        covered += rest
                        total += rest
                        number += 1
                    }
                    knownPage = page + UInt64(read) - 1
                    continue
                }
                covered += inPage
                total += inPage
            }
            index += 1
        }
        return .bytes(total)
    }

    /// Bit 63: present. Bit 61: a page of a file or of shared memory. Bit 56: mapped here alone.
    private static func isPresent(_ entry: UInt64, isWrite: Bool) -> Bool {
        guard entry >> 63 == 1 else { return false }
        return !isWrite || entry >> 61 & 1 == 1 || entry >> 56 & 1 == 1
    }

    /// Whether the process has exited or runs another program.
    public var hasEnded: Bool { image.hasEnded }
}
