import DSA
import DSAOracle

/// An address space that is reached by copying.
struct SpaceMemory: ForeignMemory {
    private let space: Space

    init(_ space: Space) {
        self.space = space
    }

    func read(_ pieces: ForeignPieces) -> ForeignCopy {
        unsafe copy(pieces, isWrite: false) { local, foreign, count in
            unsafe local.copyMemory(from: foreign, byteCount: count)
        }
    }

    func write(_ pieces: ForeignPieces) -> ForeignCopy {
        unsafe copy(pieces, isWrite: true) { local, foreign, count in
            unsafe foreign.copyMemory(from: local, byteCount: count)
        }
    }

    func presentByteCount(of pieces: ForeignPieces, isWrite: Bool) -> ForeignCopy {
        unsafe copy(pieces, isWrite: isWrite) { _, _, _ in }
    }

    /// Calls `body` with what lies in one page, as far as the bytes can be accessed.
    private func copy(
        _ pieces: ForeignPieces, isWrite: Bool,
        _ body: (UnsafeMutableRawPointer, UnsafeMutableRawPointer, Int) -> Void
    ) -> ForeignCopy {
        var total = 0
        for index in 0..<pieces.count {
            let piece = unsafe pieces[index]
            var done = 0
            while unsafe done < piece.byteCount {
                let address = unsafe piece.address + UInt64(done)
                guard let page = space.model.page(of: address),
                    space.model.kinds[page] == .readWrite || space.model.kinds[page] == .readOnly && !isWrite
                else { return .copied(total) }
                let inPage = Int(address % 4096)
                let count = unsafe min(4096 - inPage, piece.byteCount - done)
                unsafe body(piece.local + done, space.frame(page) + inPage, count)
                done += count
                total += count
            }
        }
        return .copied(total)
    }
}
