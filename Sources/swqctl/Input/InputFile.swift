internal import Glibc
internal import Platform

/// An input that the command line names and that cannot be used.
struct InputError: ProgramFailure, Equatable {
    /// What is wrong with it.
    let description: String

    var status: ExitStatus { .usage }

    init(_ description: String) {
        self.description = description
    }
}

/// A file or the standard input, read as bytes.
struct InputFile: ~Copyable {
    private static let chunkByteCount = 1 << 16

    private let descriptor: OwnedFD
    private let name: String
    private var buffer: [UInt8] = []
    private var isAtEnd = false

    /// Opens a file for reading.
    init(_ path: String) throws(InputError) {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        guard number >= 0 else { throw InputError("\(SystemError.last("open", path))") }
        descriptor = OwnedFD(adopting: number)
        name = path
    }

    private init(duplicating number: CInt, name: String) throws(InputError) {
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw InputError("\(SystemError.last("dup", name))") }
        descriptor = OwnedFD(adopting: copy)
        self.name = name
    }

    /// The standard input.
    static func standard() throws(InputError) -> InputFile {
        try InputFile(duplicating: STDIN_FILENO, name: "standard input")
    }

    /// Everything in the file at `path`, or in the standard input for `-`.
    ///
    /// - Throws: ``InputError`` also when there are more than `byteCountMax` bytes.
    static func contents(of path: String, byteCountMax: Int) throws(InputError) -> [UInt8] {
        var file = path == "-" ? try standard() : try InputFile(path)
        while try file.fill() {
            guard file.buffer.count <= byteCountMax else {
                throw InputError("\(file.name) has more than \(byteCountMax) bytes")
            }
        }
        return file.buffer
    }

    /// The next line with its line feed, which the last may lack; `nil` at the end.
    mutating func nextLine() throws(InputError) -> [UInt8]? {
        var scanned = 0
        while true {
            if let end = buffer[scanned...].firstIndex(of: UInt8(ascii: "\n")) {
                let line = Array(buffer[...end])
                buffer.removeFirst(line.count)
                return line
            }
            scanned = buffer.count
            guard try fill() else {
                defer { buffer = [] }
                return buffer.isEmpty ? nil : buffer
            }
        }
    }

    /// Reads once; `false` at the end.
    private mutating func fill() throws(InputError) -> Bool {
        guard !isAtEnd else { return false }
        var chunk = [UInt8](repeating: 0, count: Self.chunkByteCount)
        while true {
            let count = unsafe read(descriptor.rawValue, &chunk, chunk.count)
            if count < 0 {
                let error = SystemError.last("read", name)
                if error.code == EINTR { continue }
                throw InputError("\(error)")
            }
            isAtEnd = count == 0
            buffer += chunk[..<count]
            return count > 0
        }
    }
}
