internal import Glibc

/// Messages beside the report.
enum StandardError {
    /// Writes `text`; what cannot be written has nobody to read it.
    static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
    }
}
