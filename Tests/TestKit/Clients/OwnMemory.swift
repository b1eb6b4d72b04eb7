package import DSASpec
internal import Glibc
internal import Platform
internal import Protocol
internal import ProtocolMessages
internal import SwiftProtobuf

/// Memory of this process, which descriptors name by its own pointers.
@safe
package final class OwnMemory {
    private let mapping: MemoryMapping

    /// Pages that have not been touched.
    package init(pageCount: Int) throws {
        mapping = try MemoryMapping.anonymous(byteCount: pageCount * 4096)
        // Pages of their own: a test drops and protects single ones.
        try mapping.advise(.noHugePages)
    }

    package var byteCount: Int { mapping.byteCount }

    /// The linear address of a byte.
    package func address(_ offset: Int = 0) -> UInt64 {
        precondition(offset >= 0 && offset < byteCount, "the byte lies in the memory")
        return unsafe UInt64(UInt(bitPattern: mapping.baseAddress)) + UInt64(offset)
    }

    package func write(_ bytes: [UInt8], at offset: Int = 0) {
        precondition(offset >= 0 && offset + bytes.count <= byteCount, "the bytes lie in the memory")
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe UnsafeMutableRawBufferPointer(rebasing: mapping.bytes[offset..<offset + bytes.count]).copyMemory(
                from: bytes)
        }
    }

    package func read(_ count: Int, at offset: Int = 0) -> [UInt8] {
        unsafe Array(mapping.bytes[offset..<offset + count])
    }

    /// Takes the bytes of a page away: the next touch finds zeros.
    package func drop(page: Int) throws {
        try mapping.advise(.discard, range: page * 4096..<(page + 1) * 4096)
    }

    /// Permits no access to a page, reads alone, or both.
    package func protect(page: Int, _ protection: CInt) throws {
        guard unsafe mprotect(mapping.baseAddress + page * 4096, 4096, protection) == 0 else {
            throw SystemError.last("mprotect")
        }
    }

    /// Waits until the status byte of the record at `offset` is written, and returns the record. The processor polls,
    /// as programs do.
    package func completion(at offset: Int) throws -> CompletionRecord {
        var limit = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &limit)
        let end = limit.tv_sec + Int(Deadline.milliseconds) / 1000
        while unsafe UnsafeRawPointer(mapping.baseAddress + offset).load(as: UInt8.self) == 0 {
            sched_yield()
            unsafe clock_gettime(CLOCK_MONOTONIC, &limit)
            guard limit.tv_sec <= end else { throw TestFailure("no completion record") }
        }
        // The status byte is written last: what stands before it is read after it.
        atomicFence()
        return CompletionRecord(bytes: read(CompletionRecord.byteCount, at: offset))
    }

    private func atomicFence() {
        // x86 does not reorder loads; the call keeps the compiler from it.
        sched_yield()
    }
}

extension WireClient {
    /// Becomes a thread of a new process with the memory of this program; returns the process.
    @discardableResult
    package func attachOwnMemory() throws -> UInt32 {
        try call(.attachProcess(.with { $0.memory = .process }), returning: WireAttachProcessReturn.self).process
    }
}
