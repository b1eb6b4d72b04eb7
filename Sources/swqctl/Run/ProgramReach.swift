internal import Glibc
internal import Platform

/// Whether a preload library gets into a program, by what the dynamic loader looks at.
enum ProgramReach {
    /// A dynamic program of this architecture and C library.
    case reachable
    /// Neither a program nor a script that names its interpreter.
    case shellText

    /// The kernel follows so many interpreters (BINPRM_MAX_RECURSION).
    private static let interpreterDepthMax = 5
    private static let dynamicLoader = "ld-linux-x86-64.so.2"

    /// Looks at a file that can be executed, and at the interpreter of a script.
    init(of path: String) throws(RunError) {
        self = try Self.look(at: path, named: path, depth: 0)
    }

    private static func look(at path: String, named name: String, depth: Int) throws(RunError) -> ProgramReach {
        let file = try ProgramFile(path)
        let magic = try file.bytes(0, count: 4, orFewer: true)
        if magic.starts(with: Array("#!".utf8)) {
            guard depth < interpreterDepthMax else { throw .unusable("\(name): its interpreters are nested too deep") }
            let interpreter = try interpreter(in: file, named: name)
            let name = "\(interpreter), which runs \(name),"
            guard case .reachable = try look(at: interpreter, named: name, depth: depth + 1) else {
                throw .unusable("\(name) is no program")
            }
            return .reachable
        }
        guard magic == [0x7F, 0x45, 0x4C, 0x46] else { return .shellText }
        try checkPrivileges(of: file, named: name)
        try checkLoader(of: file, named: name)
        return .reachable
    }

    /// The dynamic loader ignores LD_PRELOAD where the program gains something by being executed.
    private static func checkPrivileges(of file: borrowing ProgramFile, named name: String) throws(RunError) {
        let reason: String? =
            if file.mode & S_ISUID != 0, file.owner != geteuid() {
                "is setuid"
            } else if file.mode & S_ISGID != 0, file.mode & S_IXGRP != 0, file.group != getegid() {
                "is setgid"
            } else if file.hasCapabilities, geteuid() != 0 {
                "has file capabilities"
            } else {
                nil
            }
        guard let reason else { return }
        throw .unusable(
            "\(name) \(reason), so the dynamic loader lets no library into it; run a copy without, or as its owner")
    }

    private static func checkLoader(of file: borrowing ProgramFile, named name: String) throws(RunError) {
        let header = try file.bytes(0, count: 64)
        let (is64Bit, isLittleEndian) = (header[4] == 2, header[5] == 1)
        let machine = UInt16(header[18]) | UInt16(header[19]) << 8
        guard is64Bit, isLittleEndian, machine == 62 else {
            throw .unusable("\(name) is for another architecture; swqd runs programs for x86-64 in its 64-bit mode")
        }
        let table = word(header, 32, 8)
        let (size, count) = (word(header, 54, 2), word(header, 56, 2))
        guard size >= 56, count < 0xFFFF else { throw .unusable("\(name): its program headers cannot be read") }
        for index in 0..<count {
            let (offset, overflow) = table.addingReportingOverflow(index * size)
            guard !overflow else { break }
            let entry = try file.bytes(offset, count: 56)
            // PT_INTERP
            guard word(entry, 0, 4) == 3 else { continue }
            let length = word(entry, 32, 8)
            guard length > 1, length <= 4096 else { break }
            let text = try file.bytes(word(entry, 8, 8), count: Int(length)).prefix { $0 != 0 }
            let loader = String(decoding: text, as: UTF8.self)
            guard loader.split(separator: "/").last.map(String.init) == dynamicLoader else {
                throw .unusable(
                    "\(name) is loaded by \(loader); the preload library is for programs of the GNU C library")
            }
            return
        }
        throw .unusable(
            "\(name) is statically linked, so no library can be put before it; run a dynamically linked build")
    }

    /// The program that a script names.
    private static func interpreter(
        in file: borrowing ProgramFile, named name: String
    ) throws(RunError) -> String {
        let line = try file.bytes(2, count: 254, orFewer: true).prefix { $0 != 10 }
        let words = line.split { $0 == 32 || $0 == 9 }
        guard let first = words.first else { throw .unusable("\(name) names no interpreter behind #!") }
        let path = String(decoding: first, as: UTF8.self)
        guard unsafe access(path, X_OK) == 0 else { throw .unusable("\(name): \(SystemError.last("access", path))") }
        // `#!/usr/bin/env NAME` is the program NAME, found in PATH when it runs; env itself is what is executed here.
        return path
    }

    private static func word(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        (0..<count).reversed().reduce(0) { $0 << 8 | UInt64(bytes[offset + $1]) }
    }
}

/// An executable file, read as far as its kind needs.
private struct ProgramFile: ~Copyable {
    private let descriptor: OwnedFD
    private let path: String
    let mode: mode_t
    let owner: uid_t
    let group: gid_t

    init(_ path: String) throws(RunError) {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)
        // A program that may be executed and not read.
        guard number >= 0 else {
            throw .unusable("\(SystemError.last("open", path)); whether the preload library reaches it cannot be seen")
        }
        let descriptor = OwnedFD(adopting: number)
        var info = stat()
        guard unsafe fstat(number, &info) == 0 else { throw .unusable("\(SystemError.last("fstat", path))") }
        self.descriptor = descriptor
        self.path = path
        (mode, owner, group) = (info.st_mode, info.st_uid, info.st_gid)
    }

    /// Whether the file gives capabilities to who executes it.
    var hasCapabilities: Bool {
        descriptor.hasFileCapabilities
    }

    /// The bytes from `offset` on.
    func bytes(_ offset: UInt64, count: Int, orFewer: Bool = false) throws(RunError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        guard let start = Int(exactly: offset) else { throw .unusable("\(path): its headers point outside") }
        let got = unsafe pread(descriptor.rawValue, &bytes, count, start)
        guard got >= 0 else { throw .unusable("\(SystemError.last("read", path))") }
        guard got == count || orFewer else { throw .unusable("\(path) is cut off") }
        return Array(bytes[..<got])
    }
}
