import DSASpec
import Glibc
import PCIe
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Translations that a guest invalidates` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
    }

    /// A guest process behind page tables of its own, whose linear addresses are the guest physical ones.
    private struct Guest {
        static let base: UInt64 = 0x4000_0000
        let client: WireClient
        let vm: UInt32
        let portal: UInt64
        private var records = Self.base + 4 * 4096

        init(_ client: WireClient, guestPASID: UInt32) throws {
            self.client = client
            vm = try client.createVM()
            try client.attachVCPU(vm: vm)
            _ = try client.allocateMemory(16 * 4096, at: Self.base)
            let tables = GuestPageTables(at: Self.base, mapping: Self.base, pageCount: 16)
            try client.write(tables.bytes, at: tables.root)
            try client.bindGuestPASID(guestPASID, firstLevel: Self.base)
            try client.setPASID(guestPASID)
            portal = try client.mapPortal()
        }

        func page(_ number: Int) -> UInt64 { Self.base + UInt64(number) * 4096 }

        /// Fills 64 bytes at `address` with `byte`, and returns how that ended.
        mutating func fill(_ byte: UInt8, at address: UInt64) throws -> CompletionRecord {
            let record = records
            records += 32
            let pattern = UInt64(byte) &* 0x0101_0101_0101_0101
            let reply = try client.enqcmd(.fill(pattern, to: address, count: 64, record: record), to: portal)
            try #require(!reply.zf && !reply.hasExit && !reply.hasException)
            return try client.completion(at: record)
        }

        /// Lets linear page `number` lead to guest physical page `target`, without invalidating.
        func remap(_ number: Int, to target: Int) throws {
            let entry = page(target) | 0x67
            let bytes = (0..<8).map { UInt8(truncatingIfNeeded: entry >> UInt64(8 * $0)) }
            try client.write(bytes, at: Self.base + 3 * 4096 + UInt64(number) * 8)
        }

        /// The first byte of guest physical page `number`.
        func byte(_ number: Int) throws -> UInt8 { try client.read(1, at: page(number))[0] }

        func invalidate(_ arguments: WireInvalidateIotlbArguments) throws {
            try client.call(.invalidateIotlb(arguments))
        }

        func faults() throws -> [WireIommuFault] {
            try client.call(.queryIommuFaults(.init()), returning: WireQueryIommuFaultsReturn.self).items
        }
    }

    private static let everyGranularity: [WireInvalidateIotlbArguments] = [
        .with {
            $0.guestPasid = 7
            $0.address = Hexadecimal.text(Guest.base + 8 * 4096)
        },
        .with { $0.guestPasid = 7 },
        .init(),
    ]

    @Test(arguments: everyGranularity)
    func `A guest's changed page table is stale until the guest invalidates`(
        invalidation: WireInvalidateIotlbArguments
    ) throws {
        var guest = try Guest(try daemon.client(), guestPASID: 7)
        var neighbour = try Guest(try daemon.client(), guestPASID: 7)
        for (page, byte) in [(8, 0x11), (9, 0x12)] as [(Int, UInt8)] {
            #expect(try guest.fill(byte, at: guest.page(page)).status == .success)
            #expect(try neighbour.fill(byte, at: neighbour.page(page)).status == .success)
        }
        try guest.remap(8, to: 10)
        try neighbour.remap(8, to: 10)

        // Of another page, and of another VM: nothing that concerns this one.
        var elsewhere = WireInvalidateIotlbArguments()
        elsewhere.guestPasid = 7
        elsewhere.address = Hexadecimal.text(guest.page(9))
        try guest.invalidate(elsewhere)
        #expect(try guest.fill(0x21, at: guest.page(8)).status == .success)
        #expect(try guest.byte(8) == 0x21 && guest.byte(10) == 0)

        try guest.invalidate(invalidation)
        #expect(try guest.fill(0x31, at: guest.page(8)).status == .success)
        #expect(try guest.byte(8) == 0x21 && guest.byte(10) == 0x31)
        #expect(try neighbour.fill(0x32, at: neighbour.page(8)).status == .success)
        #expect(try neighbour.byte(8) == 0x32 && neighbour.byte(10) == 0)
    }

    @Test func `What cannot be invalidated is refused with the argument that is wrong`() throws {
        let guest = try Guest(try daemon.client(), guestPASID: 7)
        for (arguments, path) in [
            (.with { $0.guestPasid = 8 }, "arguments.guestPasid"),
            (.with { $0.address = "0x1000" }, "arguments.address"),
            (.with { $0.size = 4096 }, "arguments.size"),
            (
                .with {
                    $0.guestPasid = 7
                    $0.address = "0x1001"
                }, "arguments.address"
            ),
            (
                .with {
                    $0.guestPasid = 7
                    $0.address = "0x1000"
                    $0.size = 4097
                }, "arguments.size"
            ),
        ] as [(WireInvalidateIotlbArguments, String)] {
            #expect(try guest.client.refusal(of: .invalidateIotlb(arguments)).path == path)
        }
        // A process has no tables of its own: the host invalidates when it changes them.
        let user = try Submitter.hostUser(try daemon.client())
        #expect(try user.client.refusal(of: .invalidateIotlb(.init())).errorClass == "WrongState")
    }

    @Test func `A guest sees its own faults, under its guest PASID, and an admin sees all with the host PASIDs`()
        throws
    {
        var guests = [try Guest(try daemon.client(), guestPASID: 7), try Guest(try daemon.client(), guestPASID: 9)]
        let broken = Guest.base + 2 << 20
        for index in guests.indices {
            // A large page whose address is no multiple of its size.
            let entry: [UInt8] = [0x87, 0x20, 0, 0x40, 0, 0, 0, 0]
            try guests[index].client.write(entry, at: guests[index].page(2) + 8)
            #expect(try guests[index].fill(1, at: broken + UInt64(index) * 4096).status == .translationError)
        }
        for (index, guest) in guests.enumerated() {
            let faults = try guest.faults()
            try #require(faults.count == 1)
            #expect(faults[0].vm == guest.vm && faults[0].pasid == (index == 0 ? 7 : 9) && !faults[0].hasIoasid)
            #expect(faults[0].address == Hexadecimal.text(broken + UInt64(index) * 4096))
            #expect(faults[0].code == 0x72 && faults[0].write && !faults[0].priv && faults[0].device == "dsa0")
        }
        let all = try admin.call(.queryIommuFaults(.init()), returning: WireQueryIommuFaultsReturn.self).items
        #expect(all.map(\.number) == [1, 2])
        #expect(all.map(\.vm) == guests.map(\.vm))
        let hosts = try admin.ioasids()
        for fault in all {
            #expect(hosts.contains { $0.ioasid == fault.ioasid && $0.vm == fault.vm && $0.guestPasid == fault.pasid })
        }
        let user = try Submitter.hostUser(try daemon.client())
        #expect(try user.client.refusal(of: .queryIommuFaults(.with { $0.vm = 4_000_000 })).path == "arguments.vm")
    }
}
