internal import DSASpec
internal import Platform

/// Memory of a participant as its program sees it: a range of linear addresses. Here the pages lie in a memory file
/// that the daemon maps as well, in any order.
///
/// Offsets are bytes from the first linear address.
final class WorkMemory {
    static let pageByteCount = 4096

    /// The first linear address.
    let base: UInt64
    private let mapping: MemoryMapping
    /// Where each page lies in the mapping.
    private let pageOffsets: [Int]

    /// - Parameter pageOffsets: Where each page lies in the mapping, bytes; one per page.
    init(base: UInt64, mapping: consuming MemoryMapping, pageOffsets: [Int]) {
        self.base = base
        self.mapping = mapping
        self.pageOffsets = pageOffsets
    }

    /// The linear address of a byte.
    func address(_ offset: Int) -> UInt64 { base + UInt64(offset) }

    func write(_ bytes: ArraySlice<UInt8>, at offset: Int) {
        var rest = bytes
        unsafe forEachPiece(offset..<offset + bytes.count) { piece in
            unsafe piece.copyBytes(from: rest.prefix(piece.count))
            rest = rest.dropFirst(piece.count)
        }
    }

    func read(_ range: Range<Int>) -> [UInt8] {
        var bytes: [UInt8] = []
        unsafe forEachPiece(range) { unsafe bytes.append(contentsOf: $0) }
        return bytes
    }

    /// The status byte of a completion record, read anew.
    func status(at offset: Int) -> UInt8 {
        let (page, rest) = offset.quotientAndRemainder(dividingBy: Self.pageByteCount)
        return unsafe mapping.bytes.load(fromByteOffset: pageOffsets[page] + rest, as: UInt8.self)
    }

    /// A completion record. Records do not cross pages.
    func record(at offset: Int) -> CompletionRecord {
        let bytes = read(offset..<offset + CompletionRecord.byteCount)
        return unsafe bytes.withUnsafeBytes { bytes in
            // Not empty: a record has 32 bytes.
            unsafe CompletionRecord(loading: bytes.baseAddress!)
        }
    }

    private func forEachPiece(_ range: Range<Int>, _ body: (UnsafeMutableRawBufferPointer) -> Void) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let (page, rest) = offset.quotientAndRemainder(dividingBy: Self.pageByteCount)
            let count = min(range.upperBound - offset, Self.pageByteCount - rest)
            let start = pageOffsets[page] + rest
            unsafe body(UnsafeMutableRawBufferPointer(rebasing: mapping.bytes[start..<start + count]))
            offset += count
        }
    }
}
