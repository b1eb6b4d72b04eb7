internal import Glibc
internal import Platform

/// The output cannot be written.
struct OutputError: ProgramFailure {
    /// What the system said.
    let description: String

    var status: ExitStatus { .output }
}

/// What the program was asked for. Unbuffered: a reader at the other end of a pipe sees each event when it happens.
enum StandardOutput {
    static var isTerminal: Bool { isatty(STDOUT_FILENO) == 1 }

    static func write(_ text: String) throws(OutputError) {
        try write(Array(text.utf8))
    }

    static func write(_ bytes: [UInt8]) throws(OutputError) {
        try OutputFile.write(bytes, to: STDOUT_FILENO, name: "standard output")
    }
}

/// Messages beside the output.
enum StandardError {
    /// Writes `text`; what cannot be written has nobody to read it.
    static func write(_ text: String) {
        try? OutputFile.write(Array(text.utf8), to: STDERR_FILENO, name: "standard error")
    }
}

/// Files that the program writes.
enum OutputFile {
    /// Writes a file, over what is there.
    static func write(_ bytes: [UInt8], toFile path: String) throws(OutputError) {
        let number = unsafe open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        guard number >= 0 else { throw OutputError(description: "\(SystemError.last("open", path))") }
        let file = OwnedFD(adopting: number)
        try write(bytes, to: file.rawValue, name: path)
    }

    fileprivate static func write(_ bytes: [UInt8], to number: CInt, name: String) throws(OutputError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(number, $0.baseAddress, $0.count) }
            if count < 0 {
                let error = SystemError.last("write", name)
                if error.code == EINTR { continue }
                throw OutputError(description: "\(error)")
            }
            rest = rest.dropFirst(count)
        }
    }
}
