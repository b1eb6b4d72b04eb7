internal import Foundation
internal import Glibc

/// An empty directory of the test's own, removed with everything in it when the last reference ends. Its path is short
/// enough for sockets, and every user may look into it.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() throws {
        var template = Array("/tmp/swqd-test-XXXXXX".utf8CString)
        guard let made = unsafe mkdtemp(&template), unsafe chmod(made, 0o755) == 0 else {
            throw TestFailure("no temporary directory: error \(errno)")
        }
        path = unsafe String(cString: made)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in it.
    package func file(_ name: String) -> String { path + "/" + name }

    /// Writes a file, readable by its owner only unless told otherwise, and returns its path.
    @discardableResult
    package func write(_ text: String, to name: String, mode: UInt32 = 0o600) throws -> String {
        let path = file(name)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        guard unsafe chmod(path, mode) == 0 else { throw TestFailure("chmod \(path): error \(errno)") }
        return path
    }

    /// The names of what is in one of its directories, sorted.
    package func names(in directory: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: file(directory))) ?? []).sorted()
    }

    /// The text of a file; empty when there is none.
    package func text(of name: String) -> String {
        guard let data = FileManager.default.contents(atPath: file(name)) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }
}
