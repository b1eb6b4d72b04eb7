internal import Foundation

/// The programs of this package, as they were built together with the tests.
package enum Programs {
    /// The daemon.
    package static var swqd: String { beside("swqd") }

    /// Its command-line client.
    package static var swqctl: String { beside("swqctl") }

    /// A program whose descriptors carry its own pointers.
    package static var memoryClient: String { beside("TestMemoryClient") }

    private static func beside(_ name: String) -> String {
        let test =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? CommandLine.arguments[0]
        return URL(fileURLWithPath: test).deletingLastPathComponent().appending(path: name).path
    }
}
