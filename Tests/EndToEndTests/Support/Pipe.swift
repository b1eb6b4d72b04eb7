import Glibc
import Platform
import TestKit

/// A named pipe into which a program writes that the test does not start itself.
final class Pipe {
    let path: String
    private let reader: OwnedFD

    /// Makes the pipe in a directory, and opens it so that a writer finds its reader.
    init(in directory: TemporaryDirectory, _ name: String = "pipe") throws {
        path = directory.file(name)
        guard unsafe mkfifo(path, 0o600) == 0 else { throw SystemError.last("mkfifo", path) }
        let number = unsafe open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        guard number >= 0 else { throw SystemError.last("open", path) }
        reader = OwnedFD(adopting: number)
    }

    /// Everything that is written until the last writer has closed its end.
    func readToEnd() throws -> String {
        var text: [UInt8] = []
        while true {
            var polled = pollfd(fd: reader.rawValue, events: Int16(POLLIN), revents: 0)
            guard unsafe poll(&polled, 1, Deadline.milliseconds) == 1 else { throw TestFailure("nobody writes") }
            var buffer = [UInt8](repeating: 0, count: 4096)
            let count = unsafe read(reader.rawValue, &buffer, buffer.count)
            guard count >= 0 else { throw SystemError.last("read") }
            if count == 0 { return String(decoding: text, as: UTF8.self) }
            text += buffer.prefix(count)
        }
    }
}
