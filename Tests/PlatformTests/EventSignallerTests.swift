import Glibc
import Platform
import Testing

@Suite struct `Eventfds of others` {
    /// The count that an eventfd has reached; 0 when it was not signalled.
    private func count(_ event: Wakeup) -> UInt64 {
        var value: UInt64 = 0
        return unsafe read(event.descriptor.rawValue, &value, 8) == 8 ? value : 0
    }

    @Test(arguments: [true, false])
    func `A signal adds 1, whether or not the eventfd blocks`(isBlocking: Bool) throws {
        let signaller = try EventSignaller()
        let mine = try Wakeup()
        if isBlocking { #expect(fcntl(mine.descriptor.rawValue, F_SETFL, 0) == 0) }
        let event = ClientEvent(adopting: try mine.descriptor.duplicate())
        for _ in 0..<3 { try signaller.signal(try #require(event)) }
        #expect(count(mine) == 3)
    }

    @Test func `A signal does not wait for an eventfd that is full and blocks`() throws {
        let signaller = try EventSignaller()
        let mine = try Wakeup()
        #expect(fcntl(mine.descriptor.rawValue, F_SETFL, 0) == 0)
        var full: UInt64 = .max - 1
        #expect(unsafe write(mine.descriptor.rawValue, &full, 8) == 8)
        let event = ClientEvent(adopting: try mine.descriptor.duplicate())
        for _ in 0..<3 { try signaller.signal(try #require(event)) }
        #expect(count(mine) == .max)
    }

    @Test func `What is no eventfd is closed`() throws {
        var ends: (CInt, CInt) = (-1, -1)
        let made = unsafe withUnsafeMutableBytes(of: &ends) {
            unsafe pipe($0.baseAddress!.assumingMemoryBound(to: CInt.self))
        }
        #expect(made == 0)
        let reader = OwnedFD(adopting: ends.0)
        let isTaken = ClientEvent(adopting: OwnedFD(adopting: ends.1)) != nil
        #expect(!isTaken)
        var byte: UInt8 = 0
        // The only writer is gone.
        let received = unsafe read(reader.rawValue, &byte, 1)
        #expect(received == 0)
        let file = try MemoryFile.create(name: "no eventfd", byteCount: 8)
        let isFileTaken = ClientEvent(adopting: file) != nil
        #expect(!isFileTaken)
    }
}
