import Glibc
import Platform
import Testing

@Suite struct `Lock file` {
    @Test func `A second lock is refused and names the process that holds the first`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lock")
        do {
            let lock = try LockFile(directory: directory.path)
            #expect(lock.path == path)
            #expect(throws: LockFileError.held(path: path, holder: .current)) {
                _ = try LockFile(directory: directory.path)
            }
            _ = consume lock
        }
        _ = try LockFile(directory: directory.path)
    }

    @Test(arguments: ["", "0\n", "soon\n", "-5\n"])
    func `A holder that has not written its number is unknown`(_ text: String) throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lock")
        let file = try makeFile(path)
        let lock = try LockFile(path: path)
        #expect(ftruncate(file.rawValue, 0) == 0)
        #expect(unsafe pwrite(file.rawValue, text, text.utf8.count, 0) == text.utf8.count)
        #expect(throws: LockFileError.held(path: path, holder: nil)) { _ = try LockFile(path: path) }
        _ = consume lock
    }

    @Test func `The number of an earlier, longer holder is overwritten`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lock")
        let file = try makeFile(path)
        #expect(unsafe pwrite(file.rawValue, "99999999999\n", 12, 0) == 12)
        let lock = try LockFile(path: path)
        #expect(throws: LockFileError.held(path: path, holder: .current)) { _ = try LockFile(path: path) }
        _ = consume lock
    }

    @Test func `A symbolic link is not followed`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("lock")
        #expect(unsafe symlink("/tmp/elsewhere", path) == 0)
        #expect(throws: LockFileError.system(SystemError(operation: "open", code: ELOOP, context: path))) {
            _ = try LockFile(path: path)
        }
    }
}

@Suite struct `Directory creation` {
    @Test func `Missing directories are created, existing ones kept`() throws {
        let directory = try TemporaryDirectory()
        let outer = directory.file("outer")
        let inner = outer + "/inner"
        try Directory.create(inner, mode: 0o700)
        #expect(fileMode(inner) == S_IFDIR | 0o700)
        #expect(fileMode(outer) == S_IFDIR | 0o700)
        try Directory.create(outer, mode: 0o755)
        #expect(fileMode(outer) == S_IFDIR | 0o700)
        #expect(unsafe rmdir(inner) == 0)
    }

    @Test func `A file in the way is an error`() throws {
        let directory = try TemporaryDirectory()
        let path = directory.file("f")
        _ = try makeFile(path)
        #expect(throws: SystemError(operation: "mkdir", code: ENOTDIR, context: path)) {
            try Directory.create(path, mode: 0o700)
        }
        #expect(throws: SystemError(operation: "mkdir", code: ENOTDIR, context: path + "/below")) {
            try Directory.create(path + "/below", mode: 0o700)
        }
    }
}

@Suite struct `System error` {
    @Test func `It says what failed, on what, and why`() {
        let error = SystemError(operation: "bind", code: EACCES, context: "/run/swqd.sock")
        #expect(error.description == "bind /run/swqd.sock: Permission denied (EACCES)")
        #expect(SystemError(operation: "accept4", code: EMFILE).description == "accept4: Too many open files (EMFILE)")
        #expect(SystemError(operation: "x", code: 9999).description == "x: Unknown error (9999)")
    }
}
