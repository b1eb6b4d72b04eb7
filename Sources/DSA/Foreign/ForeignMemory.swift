/// The memory of a process that the device's translations do not lead to: it is reached by copying, on a thread that
/// may wait for its owner.
///
/// A copy stops at the first byte that cannot be accessed, which is the first of a page or the first of all. It brings
/// pages in that are not present, as a page request that succeeds does.
public protocol ForeignMemory {
    /// Copies from the foreign addresses of `pieces` to this process, in their order.
    mutating func read(_ pieces: ForeignPieces) -> ForeignCopy
    /// Copies from this process to the foreign addresses of `pieces`, in their order: what comes first is visible
    /// first.
    mutating func write(_ pieces: ForeignPieces) -> ForeignCopy
    /// How many bytes of `pieces`, from the first, could be accessed without bringing a page in or copying one that is
    /// shared until it is written.
    mutating func presentByteCount(of pieces: ForeignPieces, isWrite: Bool) -> ForeignCopy
}

/// How a copy ended.
public enum ForeignCopy: Hashable, Sendable, BitwiseCopyable {
    /// This many bytes were copied; fewer than asked for when the next one cannot be accessed.
    case copied(Int)
    /// The address space is no more: its process has exited, or runs another program.
    case gone
}

/// Bytes of a foreign address space and where they lie, or go, in this process.
@unsafe
public struct ForeignPiece: BitwiseCopyable {
    /// In this process.
    public let local: UnsafeMutableRawPointer
    /// In the foreign address space.
    public let address: UInt64
    /// At least 1.
    public let byteCount: Int
}

/// The pieces of one copy, in their order. The room is allocated once and used again.
@safe
public final class ForeignPieces {
    /// The most pieces of one copy: what the kernel takes in one call (UIO_MAXIOV).
    public static let countMax = 1024

    private let pieces: UnsafeMutablePointer<ForeignPiece>
    /// How many there are.
    public private(set) var count = 0
    /// The bytes of all.
    public private(set) var byteCount = 0

    init() {
        unsafe pieces = .allocate(capacity: Self.countMax)
    }

    deinit {
        unsafe pieces.deallocate()
    }

    /// The piece at `index`, 0 to ``count`` - 1.
    public subscript(index: Int) -> ForeignPiece {
        precondition(index >= 0 && index < count, "no piece at this index")
        return unsafe pieces[index]
    }

    func removeAll() {
        count = 0
        byteCount = 0
    }

    /// Adds bytes. No address is above 2^64 - 1: what would come round to 0 is left out, and cannot be accessed.
    ///
    /// - Returns: How many bytes were left out.
    @discardableResult
    func append(_ local: UnsafeMutableRawPointer, at address: UInt64, byteCount added: Int) -> Int {
        let room = 0 &- address
        let kept = address != 0 && UInt64(added) > room ? Int(room) : added
        guard kept > 0 else { return added }
        precondition(count < Self.countMax, "a copy has at most 1024 pieces")
        unsafe (pieces + count).initialize(to: ForeignPiece(local: local, address: address, byteCount: kept))
        count += 1
        byteCount += kept
        return added - kept
    }

    /// Takes bytes away from the end until `remaining` are left.
    func truncate(to remaining: Int) {
        precondition(remaining >= 0, "what is left is not negative")
        while byteCount > remaining {
            let last = unsafe pieces[count - 1]
            let excess = byteCount - remaining
            if unsafe last.byteCount <= excess {
                count -= 1
                unsafe byteCount -= last.byteCount
            } else {
                unsafe pieces[count - 1] = unsafe ForeignPiece(
                    local: last.local, address: last.address, byteCount: last.byteCount - excess)
                byteCount = remaining
            }
        }
    }

    /// Takes the first `done` bytes away.
    func drop(_ done: Int) {
        var left = done
        var first = 0
        while left > 0 {
            let piece = unsafe pieces[first]
            if unsafe piece.byteCount <= left {
                unsafe left -= piece.byteCount
                first += 1
            } else {
                unsafe pieces[first] = unsafe ForeignPiece(
                    local: piece.local + left, address: piece.address + UInt64(left),
                    byteCount: piece.byteCount - left)
                left = 0
            }
        }
        for index in first..<count { unsafe pieces[index - first] = unsafe pieces[index] }
        count -= first
        byteCount -= done
    }

    /// The bytes of the first piece that lie in the page of its first byte.
    var byteCountToPageEnd: Int {
        guard count > 0 else { return 0 }
        return unsafe min(pieces[0].byteCount, 4096 - Int(pieces[0].address % 4096))
    }
}
