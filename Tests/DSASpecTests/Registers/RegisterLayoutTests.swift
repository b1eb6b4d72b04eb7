import DSASpec
import Testing

/// A row of dsa-device 7.1.
struct RegisterRow: Sendable, CustomTestStringConvertible {
    let register: Register
    let offset: Int
    let byteCount: Int
    let name: String
    let access: RegisterAccess

    init(_ register: Register, _ offset: Int, _ byteCount: Int, _ name: String, _ access: RegisterAccess) {
        self.register = register
        self.offset = offset
        self.byteCount = byteCount
        self.name = name
        self.access = access
    }

    var testDescription: String { name }

    static let all = [
        RegisterRow(.version, 0x00, 4, "VERSION", .readOnly),
        RegisterRow(.generalCapabilities, 0x10, 8, "GENCAP", .readOnly),
        RegisterRow(.workQueueCapabilities, 0x20, 8, "WQCAP", .readOnly),
        RegisterRow(.groupCapabilities, 0x30, 8, "GRPCAP", .readOnly),
        RegisterRow(.engineCapabilities, 0x38, 8, "ENGCAP", .readOnly),
        RegisterRow(.operationCapabilities, 0x40, 32, "OPCAP", .readOnly),
        RegisterRow(.tableOffsets, 0x60, 16, "OFFSETS", .readOnly),
        RegisterRow(.generalConfiguration, 0x80, 4, "GENCFG", .readWriteWhileDisabled),
        RegisterRow(.generalControl, 0x88, 4, "GENCTRL", .readWrite),
        RegisterRow(.generalStatus, 0x90, 4, "GENSTS", .readOnly),
        RegisterRow(.interruptCause, 0x98, 4, "INTCAUSE", .writeOneToClear),
        RegisterRow(.command, 0xA0, 4, "CMD", .writeOnly),
        RegisterRow(.commandStatus, 0xA8, 4, "CMDSTATUS", .readOnly),
        RegisterRow(.commandCapabilities, 0xB0, 4, "CMDCAP", .readOnly),
        RegisterRow(.softwareError, 0xC0, 32, "SWERROR", .mixed),
        RegisterRow(.eventLogConfiguration, 0xE0, 16, "EVLCFG", .readWriteWhileDisabled),
        RegisterRow(.eventLogStatus, 0xF0, 8, "EVLSTATUS", .mixed),
        RegisterRow(.interDomainCapabilities, 0x100, 8, "IDCAP", .readOnly),
        RegisterRow(.interDomainBitmap, 0x108, 8, "IDBMR", .readWrite),
        RegisterRow(.dsaCapabilities0, 0x180, 8, "DSACAP0", .readOnly),
        RegisterRow(.dsaCapabilities1, 0x188, 8, "DSACAP1", .readOnly),
        RegisterRow(.dsaCapabilities2, 0x190, 8, "DSACAP2", .readOnly),
    ]
}

@Suite("Register map")
struct RegisterLayoutTests {
    /// The layout of a DSA 1.0 part with few enough IMS entries for the specification's example.
    private let example = RegisterLayout(
        groupCount: 4, workQueueCount: 8, workQueueEntryByteCount: 32, messageCount: 9,
        messageStorageCount: 256)

    @Test(arguments: RegisterRow.all)
    func `Registers stand where table 7.1 puts them`(row: RegisterRow) {
        #expect(row.register.offset == row.offset)
        #expect(row.register.byteCount == row.byteCount)
        #expect(row.register.name == row.name)
        #expect(row.register.access == row.access)
        for dword in 0..<row.byteCount / 4 {
            #expect(example.place(at: row.offset + dword * 4) == .register(row.register, dword: dword))
        }
    }

    @Test func `Every register has a row, and what lies between them is unlisted`() {
        #expect(RegisterRow.all.map(\.register) == Register.allCases)
        var offset = 0
        for row in RegisterRow.all {
            for gap in stride(from: offset, to: row.offset, by: 4) { #expect(example.place(at: gap) == .unlisted) }
            offset = row.offset + row.byteCount
        }
        for gap in stride(from: offset, to: 0x400, by: 4) { #expect(example.place(at: gap) == .unlisted) }
    }

    @Test func `Tables stand at the specification's example offsets, and OFFSETS says so`() {
        #expect(example.tables.word0 == 0x0080_0004_0008_0006)
        #expect(example.tables.word1 == 0x0000_0000_0090_0020)
        #expect(example.tables.interruptPermissions == 0x400)
        #expect(example.tables.groupConfiguration == 0x600)
        #expect(example.tables.workQueueConfiguration == 0x800)
        #expect(example.tables.performanceMonitor == 0x2000)
        #expect(example.tables.interruptMessageStorage == 0x8000)
        #expect(example.tables.interDomainPermissions == 0x9000)
        #expect(example.byteCount == 0x1_0000)
    }

    @Test func `Table entries stand at their strides`() {
        #expect(example.place(at: 0x400) == .interrupts(.permissions, dword: 0))
        #expect(example.place(at: 0x440) == .interrupts(.permissions, dword: 16))
        #expect(example.place(at: 0x448) == .unlisted)
        #expect(example.place(at: 0x600) == .group(0, dword: 0))
        #expect(example.place(at: 0x6FC) == .group(3, dword: 15))
        #expect(example.place(at: 0x700) == .unlisted)
        #expect(example.place(at: 0x800) == .workQueue(0, dword: 0))
        #expect(example.place(at: 0x8E4) == .workQueue(7, dword: 1))
        #expect(example.place(at: 0x900) == .unlisted)
        #expect(example.place(at: 0x4000) == .interrupts(.messages, dword: 0))
        #expect(example.place(at: 0x408C) == .interrupts(.messages, dword: 35))
        #expect(example.place(at: 0x4090) == .unlisted)
        #expect(example.place(at: 0x5004) == .interrupts(.pendingBits, dword: 1))
        #expect(example.place(at: 0x5008) == .unlisted)
        #expect(example.place(at: 0x8000) == .interrupts(.messageStorage, dword: 0))
        #expect(example.place(at: 0x8FFC) == .interrupts(.messageStorage, dword: 1023))
        #expect(example.place(at: 0x9000) == .unlisted)
        #expect(example.place(at: 0xF000) == .unlisted)
    }

    @Test func `WQCFG of a device with OPCFG has 64 bytes per WQ`() {
        let layout = RegisterLayout(
            groupCount: 4, workQueueCount: 8, workQueueEntryByteCount: 64, messageCount: 9,
            messageStorageCount: 0)
        #expect(layout.place(at: 0x83C) == .workQueue(0, dword: 15))
        #expect(layout.place(at: 0x9C8) == .workQueue(7, dword: 2))
        #expect(layout.place(at: 0x8000) == .unlisted)
    }

    @Test(arguments: [(1, 1, 0), (4, 9, 2048), (8, 64, 256), (9, 65, 257), (64, 256, 16128)])
    func `Whatever the counts, tables stay apart and in BAR0`(groups: Int, messages: Int, storage: Int) {
        let layout = RegisterLayout(
            groupCount: groups, workQueueCount: 64, workQueueEntryByteCount: 64, messageCount: messages,
            messageStorageCount: storage)
        var seen: Set<RegisterLayout.Place> = []
        for offset in stride(from: 0, to: layout.byteCount, by: 4) {
            let place = layout.place(at: offset)
            if place != .unlisted { #expect(seen.insert(place).inserted, "\(place) at \(offset) again") }
        }
        let registers = RegisterRow.all.reduce(0) { $0 + $1.byteCount / 4 }
        let pending = (messages + 63) / 64 * 2
        #expect(seen.count == registers + groups * 16 + 64 * 16 + messages * 6 + pending + storage * 4)
        #expect(layout.byteCount.nonzeroBitCount == 1 && layout.byteCount >= 0x1_0000)
        if storage <= 256, messages <= 64 { #expect(layout.byteCount == 0x1_0000) }
    }
}
