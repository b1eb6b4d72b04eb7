import Glibc
import Platform
import Testing

/// Each in a process of its own: dispositions and masks belong to the whole process.
@Suite struct `Signal delivery` {
    @Test(arguments: Signal.allCases) func `A signal is read instead of killing`(_ signal: Signal) async {
        let number = signal.rawValue
        await #expect(processExitsWith: .success) { [number = number as CInt] in
            let signals = try Signals()
            #expect(try signals.next() == nil)
            // To this thread: others of the test runner do not block it.
            let raised = raise(number)
            #expect(raised == 0)
            let poller = try Poller()
            var events = PollEventBuffer()
            try poller.add(signals.descriptor, events: .readable, token: 0)
            try poller.wait(into: &events, timeout: .never)
            #expect(events.count == 1)
            let received = try #require(try signals.next())
            #expect(received.signal.rawValue == number)
            #expect(received.sender == .current)
            #expect(try signals.next() == nil)
        }
    }

    @Test func `A pipe without a reader is an error, not a death`() async {
        await #expect(processExitsWith: .success) {
            try Signals.ignoreBrokenPipe()
            var numbers: [CInt] = [-1, -1]
            let made = unsafe pipe(&numbers)
            #expect(made == 0)
            close(numbers[0])
            var byte: UInt8 = 0
            let written = unsafe write(numbers[1], &byte, 1)
            let code = errno
            #expect(written == -1)
            #expect(code == EPIPE)
        }
    }
}
