import Glibc
import Platform
import TestKit
import Testing

/// A connection whose one end tells when the last copy of the other has been closed.
final class LifeLine {
    private let watched: OwnedFD
    /// The other end.
    let number: CInt
    private var isHeld = true

    init() throws {
        var numbers: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &numbers) == 0 else {
            throw SystemError.last("socketpair")
        }
        watched = OwnedFD(adopting: numbers[0])
        number = numbers[1]
    }

    deinit {
        if isHeld { close(number) }
    }

    /// Closes this process's copy of the other end, and waits until every further copy is closed.
    func expectCut() throws {
        close(number)
        isHeld = false
        var polled = pollfd(fd: watched.rawValue, events: 0, revents: 0)
        guard unsafe poll(&polled, 1, Deadline.milliseconds) == 1 else {
            throw TestFailure("somebody keeps the descriptor")
        }
        #expect(polled.revents & Int16(POLLHUP) != 0)
    }
}
