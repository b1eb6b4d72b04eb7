package import DSASpec
package import ProtocolMessages

/// A client that submits: a logical processor with a region of memory and a portal of WQ 0.
package final class Submitter {
    package let client: WireClient
    /// A limited portal of WQ 0.
    package let portal: UInt64
    /// The host PASID that its descriptors carry.
    package let pasid: UInt32
    /// Its process or VM.
    package let owner: UInt32
    private let end: UInt64
    private var next: UInt64

    private static let pageByteCount: UInt64 = 4096

    /// A host process, bound.
    package static func hostUser(_ client: WireClient, byteCount: UInt64 = 1 << 20) throws -> Submitter {
        let process = try client.attachProcess()
        let memory = try client.allocateMemory(byteCount)
        let pasid = try client.bindProcess()
        return try Submitter(client, owner: process, pasid: pasid, memory: memory..<memory + byteCount)
    }

    /// The only vCPU of a VM of its own, with a guest PASID that is bound and in IA32_PASID. Its descriptors carry
    /// guest physical addresses.
    package static func guest(
        _ client: WireClient, guestPASID: UInt32, name: String? = nil, byteCount: UInt64 = 1 << 20
    ) throws -> Submitter {
        let vm = try client.createVM(name: name)
        try client.attachVCPU(vm: vm)
        let memory = try client.allocateMemory(byteCount)
        let pasid = try client.bindGuestPASID(guestPASID)
        try client.setPASID(guestPASID)
        return try Submitter(client, owner: vm, pasid: pasid, memory: memory..<memory + byteCount)
    }

    private init(_ client: WireClient, owner: UInt32, pasid: UInt32, memory: Range<UInt64>) throws {
        self.client = client
        self.owner = owner
        self.pasid = pasid
        portal = try client.mapPortal()
        next = memory.lowerBound
        end = memory.upperBound
    }

    /// Bytes of its memory that nothing else uses, on a multiple of 64.
    package func reserve(_ byteCount: UInt64) throws -> UInt64 {
        let start = next
        next += (byteCount + 63) & ~63
        guard next <= end else { throw TestFailure("the submitter's memory is used up") }
        return start
    }

    /// Submits by ENQCMD, with a completion record of its own at the address that `make` gets.
    package func submit(
        _ make: (_ record: UInt64) throws -> Descriptor = { .noOp(record: $0) }
    ) throws -> Submission {
        let record = try reserve(UInt64(CompletionRecord.byteCount))
        return Submission(record: record, reply: try client.enqcmd(try make(record), to: portal))
    }

    /// Submits what must be accepted and returns the address of its completion record.
    package func submitAccepted(
        _ make: (_ record: UInt64) throws -> Descriptor = { .noOp(record: $0) }
    ) throws -> UInt64 {
        let submission = try submit(make)
        guard submission.isAccepted else { throw TestFailure("not accepted: \(submission.reply)") }
        return submission.record
    }

    /// What came of an ENQCMD.
    package struct Submission {
        /// Address of the completion record.
        package let record: UInt64
        package let reply: WireSubmissionReturn

        /// ZF is 0, without exception or exit.
        package var isAccepted: Bool {
            reply.hasZf && !reply.zf && !reply.hasException && !reply.hasExit
        }

        /// ZF is 1, without exception or exit.
        package var isRetry: Bool {
            reply.zf && !reply.hasException && !reply.hasExit
        }
    }

    /// Moves random bytes by Memory Move and checks that they, and only they, arrived.
    package func moveAndCheck(_ generator: inout SeededGenerator, byteCount: Int = 256) throws {
        let move = try beginMove(&generator, byteCount: byteCount)
        try finish(move)
    }

    /// A Memory Move under way.
    package struct Move {
        fileprivate let record: UInt64
        fileprivate let target: UInt64
        fileprivate let bytes: [UInt8]
    }

    /// Submits a Memory Move of random bytes, which must be accepted.
    package func beginMove(_ generator: inout SeededGenerator, byteCount: Int = 256) throws -> Move {
        let bytes = generator.bytes(byteCount)
        let source = try reserve(UInt64(byteCount))
        // A margin on both sides shows a write beyond the range.
        let target = try reserve(UInt64(byteCount + 128)) + 64
        try client.write(bytes, at: source)
        let record = try submitAccepted {
            .memoryMove(from: source, to: target, count: UInt32(byteCount), record: $0)
        }
        return Move(record: record, target: target, bytes: bytes)
    }

    /// Waits for a Memory Move and checks every byte of its target and of the margins.
    package func finish(_ move: Move) throws {
        let record = try client.completion(at: move.record)
        guard record.status == .success else { throw TestFailure("Memory Move ended with \(record.status)") }
        let found = try client.read(UInt32(move.bytes.count + 128), at: move.target - 64)
        let margin = [UInt8](repeating: 0, count: 64)
        guard found == margin + move.bytes + margin else { throw TestFailure("the bytes moved are others") }
    }
}
