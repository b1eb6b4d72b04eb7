import Glibc
import Platform
import Testing

/// Each in a process of its own, which has few descriptors.
@Suite struct `Descriptor exhaustion` {
    @Test func `A connection beyond the last descriptor is shed with a farewell`() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let listener = try Listener.unix(path: directory.file("s"), mode: 0o600)
            var reserve = try DescriptorReserve()
            var client = try ClientConnection.unix(path: directory.file("s"))
            try takeEveryDescriptor(like: listener.descriptor)

            guard case .exhausted(let error) = listener.accept() else { throw UnexpectedOutcome("not exhausted") }
            #expect(error == SystemError(operation: "accept4", code: EMFILE))
            guard case .shed = reserve.shed(from: listener, farewell: Array("busy\n".utf8)) else {
                throw UnexpectedOutcome("not shed")
            }
            #expect(try client.readLine() == Array("busy".utf8))
            #expect(try client.readLine() == nil)
            #expect(reserve.isArmed == true)
            // The kernel looks for a descriptor before it looks for a connection.
            guard case .exhausted = listener.accept() else { throw UnexpectedOutcome("not exhausted") }
            guard case .nothingPending = reserve.shed(from: listener) else { throw UnexpectedOutcome("shed nobody") }
            #expect(reserve.isArmed == true)
        }
    }

    @Test func `A lost reserve is reported and can be taken again`() async {
        await #expect(processExitsWith: .success) {
            let directory = try TemporaryDirectory()
            let listener = try Listener.unix(path: directory.file("s"), mode: 0o600)
            var reserve = try DescriptorReserve()
            let client = try ClientConnection.unix(path: directory.file("s"))
            let limit = try DescriptorLimit.current()
            // Below every number in use: what the reserve gives up does not help.
            try DescriptorLimit.setSoft(3)
            guard case .stillExhausted(let error) = reserve.shed(from: listener) else {
                throw UnexpectedOutcome("shed")
            }
            #expect(error.code == EMFILE)
            #expect(reserve.isArmed == false)
            #expect(throws: SystemError(operation: "open", code: EMFILE, context: "/dev/null")) { try reserve.rearm() }

            try DescriptorLimit.setSoft(limit.soft)
            try reserve.rearm()
            #expect(reserve.isArmed == true)
            _ = try acceptWaiting(listener)
            _ = consume client
        }
    }

    @Test func `The soft limit is raised to the hard one`() async {
        await #expect(processExitsWith: .success) {
            try DescriptorLimit.setSoft(100)
            let before = try DescriptorLimit.raise()
            #expect(before.soft == 100)
            let after = try DescriptorLimit.current()
            #expect(after.soft == before.hard)
            #expect(after.hard == before.hard)
        }
    }
}

/// Duplicates a descriptor until there is no number left.
private func takeEveryDescriptor(like descriptor: borrowing OwnedFD) throws {
    try DescriptorLimit.setSoft(128)
    // Threads of the test runner that have just started may still be closing a file of theirs.
    for _ in 0..<1000 {
        while dup(descriptor.rawValue) >= 0 {}
        guard errno == EMFILE else { throw SystemError.last("dup") }
        sched_yield()
    }
}
