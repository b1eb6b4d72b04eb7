import Glibc

/// What whoever runs the tests may choose.
enum ProcessEnvironment {
    /// The number in variable `name`, decimal or after 0x.
    static func number(_ name: String) -> UInt64? {
        guard let text = unsafe getenv(name).map({ unsafe String(cString: $0) }) else { return nil }
        return text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
    }
}
