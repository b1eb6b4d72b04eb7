import Glibc
import Platform
import Testing

@Suite struct `Shared memory` {
    @Test func `Memory of the daemon cannot be resized or sealed by its client`() throws {
        let memory = try SharedMemory.create(name: "daemon", byteCount: 4 * PageSize.byteCount)
        #expect(ftruncate(memory.descriptor.rawValue, 0) == -1)
        #expect(errno == EPERM)
        #expect(ftruncate(memory.descriptor.rawValue, 1 << 30) == -1)
        #expect(errno == EPERM)
        #expect(throws: SystemError(operation: "fcntl F_ADD_SEALS", code: EPERM)) {
            try MemoryFile.add(.futureWrite, to: memory.descriptor)
        }
    }

    @Test func `A write through one mapping is read through the other`() throws {
        let memory = try SharedMemory.create(name: "shared", byteCount: 2 * PageSize.byteCount)
        let writer = try memory.map()
        let reader = try SharedMemory.adopt(memory.descriptor.duplicate(), byteCountMax: memory.byteCount).map()
        #expect(writer.byteCount == 2 * PageSize.byteCount)
        #expect(reader.byteCount == 2 * PageSize.byteCount)
        unsafe writer.bytes[PageSize.byteCount] = 7
        #expect(unsafe reader.bytes[PageSize.byteCount] == 7)
    }

    @Test func `A mapping outlives the descriptor`() throws {
        let mapping = try SharedMemory.create(name: "short", byteCount: PageSize.byteCount).map()
        unsafe mapping.bytes[0] = 1
        #expect(unsafe mapping.bytes[0] == 1)
    }

    @Test func `A sealed memfd of a client is accepted, and may still grow`() throws {
        let file = try MemoryFile.create(name: "client", byteCount: PageSize.byteCount, seals: .shrink)
        let memory = try SharedMemory.adopt(file.duplicate(), byteCountMax: PageSize.byteCount)
        #expect(memory.byteCount == PageSize.byteCount)
        #expect(ftruncate(file.rawValue, 2 * PageSize.byteCount) == 0)
        #expect(ftruncate(file.rawValue, 0) == -1)
        #expect(memory.byteCount == PageSize.byteCount)
    }

    @Test(
        arguments: [
            (MemorySeals.grow, PageSize.byteCount, SharedMemoryError.notSealedAgainstShrinking),
            ([], PageSize.byteCount, .notSealedAgainstShrinking),
            ([.shrink, .write], PageSize.byteCount, .sealedAgainstWriting),
            ([.shrink, .futureWrite], PageSize.byteCount, .sealedAgainstWriting),
            (.shrink, 0, .empty),
            (.shrink, 100, .notPageMultiple(byteCount: 100, pageByteCount: PageSize.byteCount)),
            (
                .shrink, 9 * PageSize.byteCount,
                .tooLarge(byteCount: 9 * PageSize.byteCount, byteCountMax: 8 * PageSize.byteCount)
            ),
        ] as [(MemorySeals, Int, SharedMemoryError)])
    func `A memfd that breaks a rule is refused by its name`(
        _ seals: MemorySeals, _ byteCount: Int, _ error: SharedMemoryError
    ) throws {
        let file = try MemoryFile.create(name: "client", byteCount: byteCount, seals: seals)
        #expect(throws: error) { _ = try SharedMemory.adopt(file.duplicate(), byteCountMax: 8 * PageSize.byteCount) }
    }

    @Test func `Descriptors that are not memfds are refused`() throws {
        let directory = try TemporaryDirectory()
        let file = try makeFile(directory.file("f"))
        #expect(throws: SharedMemoryError.self) { _ = try SharedMemory.adopt(file.duplicate(), byteCountMax: .max) }
        let pair = try SocketPair()
        #expect(throws: SharedMemoryError.notAMemoryFile) {
            _ = try SharedMemory.adopt(pair.near.descriptor.duplicate(), byteCountMax: .max)
        }
        let device = OwnedFD(adopting: unsafe open("/dev/zero", O_RDWR | O_CLOEXEC))
        #expect(throws: SharedMemoryError.notAMemoryFile) {
            _ = try SharedMemory.adopt(device.duplicate(), byteCountMax: .max)
        }
    }

    /// O_PATH, which the C library's module does not have.
    private static let pathOnly: CInt = 0o10000000

    @Test(arguments: [O_RDONLY, pathOnly])
    func `A memfd opened without the right to write is refused`(_ access: CInt) throws {
        let file = try MemoryFile.create(name: "client", byteCount: PageSize.byteCount, seals: .shrink)
        let reopened = OwnedFD(adopting: unsafe open("/proc/self/fd/\(file.rawValue)", access | O_CLOEXEC))
        #expect(throws: access == Self.pathOnly ? SharedMemoryError.notAMemoryFile : .notReadWrite) {
            _ = try SharedMemory.adopt(reopened.duplicate(), byteCountMax: .max)
        }
    }

    /// The kernel can be built without them.
    private static let hasHugePages = unsafe access("/sys/kernel/mm/hugepages", F_OK) == 0

    @Test(.enabled(if: hasHugePages, "the kernel has no hugetlbfs")) func `A memfd of huge pages is refused`() throws {
        let file = try MemoryFile.create(name: "huge", byteCount: 0, seals: .shrink, hugePages: true)
        #expect(throws: SharedMemoryError.hugePages) {
            _ = try SharedMemory.adopt(file.duplicate(), byteCountMax: .max)
        }
    }

    @Test(arguments: [(0, SharedMemoryError.empty), (4097, .notPageMultiple(byteCount: 4097, pageByteCount: 4096))])
    func `Memory of a size that cannot be mapped is not made`(_ byteCount: Int, _ error: SharedMemoryError) {
        #expect(throws: error) { _ = try SharedMemory.create(name: "odd", byteCount: byteCount) }
    }

    @Test func `A refused descriptor is closed`() throws {
        var line = try LifeLine()
        let copy = dup(line.number)
        line.letGo()
        #expect(throws: SharedMemoryError.notAMemoryFile) {
            _ = try SharedMemory.adopt(OwnedFD(adopting: copy), byteCountMax: .max)
        }
        let isCut = line.isCut
        #expect(isCut)
    }
}

@Suite struct `Memory mapping` {
    @Test func `Anonymous memory is zero and whole pages`() throws {
        let mapping = try MemoryMapping.anonymous(byteCount: PageSize.byteCount + 1)
        #expect(mapping.byteCount == 2 * PageSize.byteCount)
        #expect(unsafe mapping.bytes.allSatisfy { $0 == 0 })
        #expect(unsafe UInt(bitPattern: mapping.baseAddress).isMultiple(of: UInt(PageSize.byteCount)))
    }

    @Test func `Discarded pages of anonymous memory are zero again, their neighbours unchanged`() throws {
        let page = PageSize.byteCount
        let mapping = try MemoryMapping.anonymous(byteCount: 3 * page)
        unsafe mapping.bytes.initializeMemory(as: UInt8.self, repeating: 0xaa)
        try mapping.advise(.discard, range: page..<2 * page)
        #expect(unsafe mapping.bytes[page - 1] == 0xaa)
        #expect(unsafe mapping.bytes[page..<2 * page].allSatisfy { $0 == 0 })
        #expect(unsafe mapping.bytes[2 * page] == 0xaa)
    }

    @Test(arguments: [MemoryMapping.Advice.populate, .excludeFromCoreDumps, .excludeFromForks])
    func `The kernel takes advice`(_ advice: MemoryMapping.Advice) throws {
        let mapping = try MemoryMapping.anonymous(byteCount: PageSize.byteCount)
        try mapping.advise(advice)
        unsafe mapping.bytes[0] = 1
        #expect(unsafe mapping.bytes[0] == 1)
    }

    @Test func `More memory than addresses is refused`() {
        #expect(throws: SystemError.self) { _ = try MemoryMapping.anonymous(byteCount: .max) }
        #expect(throws: SystemError.self) { _ = try MemoryMapping.anonymous(byteCount: 1 << 60) }
    }

    /// The kernel refuses F_SEAL_WRITE as long as anybody has the file mapped for writing.
    @Test func `Pages are unmapped when the value ends`() throws {
        let file = try MemoryFile.create(name: "mapped", byteCount: PageSize.byteCount, seals: .shrink)
        do {
            let mapping = try SharedMemory.adopt(file.duplicate(), byteCountMax: .max).map()
            #expect(throws: SystemError(operation: "fcntl F_ADD_SEALS", code: EBUSY)) {
                try MemoryFile.add(.write, to: file)
            }
            _ = consume mapping
        }
        try MemoryFile.add(.write, to: file)
    }
}
