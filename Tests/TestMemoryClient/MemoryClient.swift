import CMissingPages
import DSASpec
import Glibc
import PCIe
import Platform
import Protocol
import ProtocolMessages
import TestKit

/// A program whose descriptors carry its own pointers, for tests that do things to it: `test-memory-client SOCKET
/// SCENARIO`. It writes a line to descriptor 3 when it has come to the point.
@main
struct MemoryClient {
    let client: WireClient
    let portal: UInt64
    let records: OwnMemory

    static func main() {
        do {
            let arguments = CommandLine.arguments
            guard arguments.count == 3 else { throw TestFailure("usage: test-memory-client SOCKET SCENARIO") }
            let client = try MemoryClient(socket: arguments[1])
            switch arguments[2] {
            case "move": try client.moveForever()
            case "stall": try client.stall()
            case "unmap": try client.unmap()
            case "exec": try client.execute()
            case "crowd": try client.crowd()
            default: throw TestFailure("no scenario \(arguments[2])")
            }
        } catch {
            say("failed: \(error)")
            exit(1)
        }
    }

    private init(socket: String) throws {
        client = try WireClient(path: socket)
        try client.attachOwnMemory()
        try client.bindProcess()
        portal = try client.mapPortal()
        records = try OwnMemory(pageCount: 1)
        records.write(Array(repeating: 0, count: records.byteCount))
    }

    private static func say(_ text: String) {
        let line = Array("\(text)\n".utf8)
        _ = unsafe write(3, line, line.count)
    }

    private func submit(_ make: (UInt64) -> Descriptor, record: Int = 0) throws {
        records.write(Array(repeating: 0, count: CompletionRecord.byteCount), at: record)
        while true {
            let reply = try client.enqcmd(make(records.address(record)), to: portal)
            guard !reply.hasException else { throw TestFailure("\(reply)") }
            if !reply.zf { return }
            sched_yield()
        }
    }

    /// Moves 64 MiB again and again, until somebody ends it.
    private func moveForever() throws {
        let memory = try OwnMemory(pageCount: 32 * 1024)
        while true {
            try submit { record in
                var move = Descriptor.memoryMove(
                    from: memory.address(), to: memory.address(64 << 20), count: 64 << 20, record: record)
                move.flags.insert(.blockOnFault)
                return move
            }
            Self.say("moving")
            _ = try records.completion(at: 0)
        }
    }

    /// Has a page that nobody brings: descriptors wait for it.
    private func stall() throws {
        let memory = try OwnMemory(pageCount: 16)
        let faults = try MissingPages(memory)
        for index in 0..<8 {
            try submit(
                { record in
                    var fill = Descriptor.fill(1, to: memory.address(index * 4096), count: 4096, record: record)
                    fill.flags.insert(.blockOnFault)
                    return fill
                }, record: index * 32)
        }
        try faults.waitForFault()
        Self.say("stalled")
        pause()
    }

    /// Unmaps memory while operations are at it, and expects each to end as a fault or with success.
    private func unmap() throws {
        var ends: Set<UInt8> = []
        for round in 0..<24 {
            var memory: OwnMemory? = try OwnMemory(pageCount: 4096)
            let address = memory?.address() ?? 0
            try submit { record in
                var fill = Descriptor.fill(UInt64(round), to: address, count: 16 << 20, record: record)
                fill.flags.insert(.blockOnFault)
                return fill
            }
            memory = nil
            let record = try records.completion(at: 0)
            switch record.status {
            case .success: break
            case .pageRequestFailed:
                guard record.faultAddress.rawValue == address + UInt64(record.bytesCompleted),
                    record.bytesCompleted % 4096 == 0
                else { throw TestFailure("\(record)") }
            default: throw TestFailure("\(record)")
            }
            ends.insert(record.status.rawValue)
        }
        Self.say("ended with \(ends.sorted())")
    }

    /// Becomes another program while operations are under way.
    private func execute() throws {
        let memory = try OwnMemory(pageCount: 16 * 1024)
        try submit { record in
            var fill = Descriptor.fill(0xFF, to: memory.address(), count: 64 << 20, record: record)
            fill.flags.insert(.blockOnFault)
            return fill
        }
        Self.say("executing")
        // A program that stays. The connection has close-on-exec.
        let words = ["/usr/bin/tail", "-f", "/dev/null"]
        let arguments: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) } + [nil]
        _ = unsafe execv(words[0], arguments)
        throw SystemError.last("execv")
    }

    /// Moves 50 times, with Retry, and checks each.
    private func crowd() throws {
        var generator = SeededGenerator(seed: UInt64(getpid()))
        let memory = try OwnMemory(pageCount: 8)
        memory.write(Array(repeating: 0, count: memory.byteCount))
        for _ in 0..<50 {
            let bytes = generator.bytes(4096)
            memory.write(bytes, at: 100)
            try submit { record in
                .memoryMove(from: memory.address(100), to: memory.address(5 * 4096 - 7), count: 4096, record: record)
            }
            let record = try records.completion(at: 0)
            guard record.status == .success, memory.read(4096, at: 5 * 4096 - 7) == bytes else {
                throw TestFailure("\(record)")
            }
        }
        Self.say("moved")
    }
}

/// Pages that are missing until somebody brings them, and nobody does (userfaultfd).
private struct MissingPages: ~Copyable {
    private let descriptor: OwnedFD

    init(_ memory: OwnMemory) throws {
        let number = test_missing_pages(memory.address(), UInt64(memory.byteCount))
        guard number >= 0 else { throw SystemError.last("userfaultfd") }
        descriptor = OwnedFD(adopting: number)
    }

    /// Waits until somebody has come to a missing page.
    func waitForFault() throws {
        var polled = pollfd(fd: descriptor.rawValue, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&polled, 1, Deadline.milliseconds) == 1 else { throw TestFailure("nobody faults") }
    }
}
