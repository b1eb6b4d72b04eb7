internal import Glibc

/// What is being measured, on standard error when that is a terminal.
enum Progress {
    private static let isShown = isatty(STDERR_FILENO) == 1

    static func show(_ name: String) {
        write("\r\u{1B}[Kmeasuring \(name)")
    }

    static func clear() {
        write("\r\u{1B}[K")
    }

    private static func write(_ text: String) {
        guard isShown else { return }
        StandardError.write(text)
    }
}
