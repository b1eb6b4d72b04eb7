import Glibc
import Platform
import TestKit
import Testing

extension BadInput {
    /// Memory files that a client could turn against the daemon.
    static let memory: [BadInput] = [
        refused("a memfd without a seal against shrinking", byteCount: 8192, seals: []),
        refused("a memfd sealed against growing only", byteCount: 8192, seals: [.grow]),
        refused("a memfd sealed against writing", byteCount: 8192, seals: [.shrink, .write]),
        refused("an empty memfd", byteCount: 0, seals: .shrink),
        refused("a memfd truncated to a part of a page", byteCount: 8191, seals: .shrink),
        BadInput(
            "a memfd beyond the client's quota",
            on: .init(configuration: #"{"limits": {"memoryPerClientBytes": "1048576"}}"#)
        ) { stage in
            // The witness has its megabyte; this client has its own and no more.
            let client = try stage.daemon.client()
            let file = try MemoryFile.create(name: "large", byteCount: 2 << 20, seals: .shrink)
            #expect(try client.attachRefusal(attaching: [file.rawValue]).errorClass == "LimitExceeded")
        },
        BadInput("a memfd that the client truncates while it is used") { stage in
            let client = try stage.daemon.client()
            let process = try client.attachProcess()
            let file = try MemoryFile.create(name: "cut", byteCount: 8192, seals: .shrink)
            let address = try client.attachSharedMemory(file)
            // The seal that was asked for is what refuses it.
            #expect(ftruncate(file.rawValue, 0) == -1)
            try client.write([1, 2, 3], at: address + 8189)
            #expect(try client.read(3, at: address + 8189) == [1, 2, 3])
            client.close()
            try stage.waitForEnd(ofProcess: process)
        },
    ]

    /// Of a kind that not every kernel has.
    static let hugePages = BadInput("a memfd of huge pages") { stage in
        let client = try stage.daemon.client()
        let file = try MemoryFile.create(name: "huge", byteCount: 2 << 20, seals: .shrink, hugePages: true)
        #expect(try client.attachRefusal(attaching: [file.rawValue]).errorClass == "InvalidArgument")
    }

    private static func refused(_ description: String, byteCount: Int, seals: MemorySeals) -> BadInput {
        BadInput(description) { stage in
            let client = try stage.daemon.client()
            let file = try MemoryFile.create(name: "test", byteCount: byteCount, seals: seals)
            #expect(try client.attachRefusal(attaching: [file.rawValue]).errorClass == "InvalidArgument")
        }
    }
}
