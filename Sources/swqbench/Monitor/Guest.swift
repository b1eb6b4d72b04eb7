internal import Platform

/// A VM on the daemon, with memory that is mapped here as well and page tables in it.
final class Guest {
    let owner: MonitorConnection
    /// The VM's number.
    let vm: UInt64
    /// Where guest memory is in this process.
    let memory: MemoryMapping
    private let tables: GuestPageTables
    private var usedByteCount: Int

    /// - Parameters:
    ///   - byteCount: The size of its memory, beside the page tables.
    ///   - pasidQuota: How many IOASIDs its set may hold.
    init(_ daemon: Daemon, byteCount: Int, pasidQuota: UInt64) throws {
        owner = try daemon.connect()
        let created = try owner.execute("create-vm", ["pasidQuota": .number(pasidQuota)], returning: Created.self)
        vm = UInt64(created.vm)
        // Two megabytes more than enough for the tables of a gibibyte.
        let wanted = (byteCount + (4 << 20)) / 4096 * 4096
        tables = GuestPageTables(byteCount: wanted)
        let shared = try owner.execute(
            "create-shared-memory",
            ["size": .number(UInt64(wanted)), "vm": .number(vm), "address": .hex(GuestPageTables.base)],
            returning: Mapped.self)
        guard shared.address.value == GuestPageTables.base else { throw BenchError("guest memory is elsewhere") }
        memory = try SharedMemory.adopt(owner.takeDescriptor(), byteCountMax: wanted).map()
        unsafe tables.write(to: memory.bytes)
        usedByteCount = tables.byteCount
    }

    /// Takes `byteCount` bytes of its memory, aligned to 4096, and returns where they begin in it.
    func allocate(byteCount: Int) -> Int {
        defer { usedByteCount += (byteCount + 4095) / 4096 * 4096 }
        precondition(usedByteCount + byteCount <= memory.byteCount, "the guest has enough memory")
        return usedByteCount
    }

    /// The guest physical, and in its processes linear, address of a byte of its memory.
    func address(ofByteAt offset: Int) -> UInt64 { GuestPageTables.base + UInt64(offset) }

    /// Maps so many gibibytes of linear addresses from ``repeatedAddress`` on to the same 2 MiB of its memory,
    /// again and again, by pages of that size. Takes up to 4 MiB of it.
    func mapRepeatedly(gibibytes: Int) {
        let largePage = 2 << 20
        let piece = (allocate(byteCount: 2 * largePage) + largePage - 1) / largePage * largePage
        let directories = allocate(byteCount: (1 + gibibytes) * 4096)
        unsafe tables.link(
            gibibytes: gibibytes, from: Self.repeatedAddress, toPageAt: piece, tablesAt: directories, in: memory.bytes)
    }

    /// Above all that the guest's memory has.
    static let repeatedAddress: UInt64 = 1 << 39

    /// A connection as a new vCPU, CPL 0.
    func attachProcessor(_ daemon: Daemon) throws -> MonitorConnection {
        let connection = try daemon.connect()
        try connection.run("attach-vcpu", ["vm": .number(vm)])
        return connection
    }

    /// A vCPU that runs a process of the guest at CPL 3: its PASID bound with nested translation and in IA32_PASID, the
    /// limited portal of a WQ mapped.
    func attachProcess(
        _ daemon: Daemon, guestPASID: UInt64, device: String, wq: UInt64
    ) throws -> (connection: MonitorConnection, portal: UInt64) {
        let connection = try attachProcessor(daemon)
        try connection.run(
            "bind-guest-pasid",
            [
                "guestPasid": .number(guestPASID), "device": .text(device), "firstLevel": .hex(tables.root),
                "levels": 4,
            ])
        let written = try connection.execute(
            "write-msr", ["msr": "0xd93", "value": .hex(guestPASID | Self.pasidValid)], returning: Written.self)
        guard written.exception == nil else { throw BenchError("write-msr: #GP") }
        let portal = try connection.execute(
            "map-portal", ["device": .text(device), "wq": .number(wq), "portal": "limited"], returning: Mapped.self)
        try connection.run("set-cpl", ["cpl": 3])
        return (connection, portal.address.value)
    }

    /// Bit 31 of IA32_PASID.
    private static let pasidValid: UInt64 = 1 << 31

    private struct Created: Decodable { let vm: UInt32 }

    private struct Mapped: Decodable { let address: WireAddress }

    private struct Written: Decodable {
        let exception: Raised?

        struct Raised: Decodable {}
    }
}
