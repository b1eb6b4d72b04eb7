import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

extension BadInput {
    /// File descriptors that nobody asked for, too many of them, or of the wrong kind.
    static let descriptors: [BadInput] = [
        BadInput("a file descriptor that nobody asked for") { stage in
            let client = try stage.daemon.client()
            let line = try LifeLine()
            let query = try client.send(.queryVersion, attaching: [line.number])
            _ = try client.receive(query, returning: WireQueryVersionReturn.self)
            try line.expectCut()
            // Nor is it taken for that of a later request.
            #expect(try client.attachRefusal(attaching: []).errorClass == "InvalidArgument")
        },
        BadInput("more file descriptors than asked for") { stage in
            let client = try stage.daemon.client()
            let memory = try MemoryFile.create(name: "test", byteCount: 4096, seals: .shrink)
            let line = try LifeLine()
            let refusal = try client.attachRefusal(attaching: [memory.rawValue, line.number])
            #expect(refusal.errorClass == "InvalidArgument")
            try line.expectCut()
        },
        BadInput("as many file descriptors as a message carries, so that the list is truncated") { stage in
            let client = try stage.daemon.client()
            let line = try LifeLine()
            let refusal = try client.attachRefusal(attaching: Array(repeating: line.number, count: 253))
            #expect(refusal.errorClass == "InvalidArgument")
            try line.expectCut()
        },
        BadInput("file descriptors in the middle of a line that never ends") { stage in
            let client = try stage.daemon.client()
            let process = try client.attachProcess()
            let line = try LifeLine()
            try client.send(Array(#"{"execute": "query"#.utf8), attaching: [line.number])
            client.close()
            try line.expectCut()
            try stage.waitForEnd(ofProcess: process)
        },
        BadInput("no file descriptor where one is due") { stage in
            let client = try stage.daemon.client()
            #expect(try client.attachRefusal(attaching: []).errorClass == "InvalidArgument")
        },
        BadInput("a file descriptor that is no memory") { stage in
            let client = try stage.daemon.client()
            let line = try LifeLine()
            #expect(try client.attachRefusal(attaching: [line.number]).errorClass == "InvalidArgument")
            try line.expectCut()
        },
    ]
}

extension WireClient {
    /// Passes descriptors as shared memory of a new VM, which must be refused.
    func attachRefusal(attaching numbers: [CInt]) throws -> Refusal {
        let vm = try createVM()
        let refusal = try receiveRefusal(
            try send(.attachSharedMemory(.with { $0.vm = vm }), attaching: numbers))
        #expect(try call(.queryMemory(.with { $0.vm = vm }), returning: WireQueryMemoryReturn.self).items.isEmpty)
        try call(.destroyVm(.with { $0.vm = vm }))
        return refusal
    }
}
