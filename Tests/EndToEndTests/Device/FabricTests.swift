import DSASpec
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `The fabric before the devices` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        daemon = try DaemonProcess.start(
            .init(
                configuration: """
                    {"ports": [{"name": "rp0"}, {"name": "up", "kind": "switch_upstream", "parent": "rp0"},
                      {"name": "down0", "kind": "switch_downstream", "parent": "up"},
                      {"name": "down1", "kind": "switch_downstream", "parent": "up", "dmwrRouting": false}],
                     "devices": [{"name": "inside"}, {"name": "behind", "port": "down0"},
                      {"name": "silent", "port": "down1"}]}
                    """))
        admin = try daemon.admin()
    }

    private func fabric() throws -> WireQueryFabricReturn {
        try admin.call(.queryFabric, returning: WireQueryFabricReturn.self)
    }

    /// A process that is bound to `device`, with a portal of it.
    private func portal(of device: String, _ client: WireClient) throws -> UInt64 {
        try client.attachProcess()
        try client.call(.bindProcess(.with { $0.device = device }))
        var arguments = WireMapPortalArguments()
        arguments.device = device
        arguments.wq = 0
        let reply = try client.call(.mapPortal(arguments), returning: WireMapPortalReturn.self)
        return try #require(Hexadecimal.value(reply.address))
    }

    private func write(_ value: UInt32, at offset: String, of port: String) throws {
        try admin.call(
            .writeConfig(
                .with {
                    $0.port = port
                    $0.offset = offset
                    $0.size = 4
                    $0.value = Hexadecimal.text(value)
                }))
    }

    @Test func `D-07 ENQCMD gives ZF 1 behind a port that does not route DMWr, and query-fabric names the port`()
        throws
    {
        let paths = try fabric().devices
        #expect(paths.map(\.verdict) == [.open, .open, .notRouted])
        #expect(paths[1].port == "down0" && !paths[0].hasPort && paths[2].obstacle == "down1")
        for (device, isReached) in [("inside", true), ("behind", true), ("silent", false)] {
            let client = try daemon.client()
            let portal = try portal(of: device, client)
            #expect(try client.enqcmd(Descriptor(), to: portal).zf == !isReached)
        }
        #expect(try admin.status().accepted == 2)
    }

    @Test func `A port that blocks egress says so in AER, and lets DMWr through again when software allows`() throws {
        let client = try daemon.client()
        let portal = try portal(of: "behind", client)
        #expect(try !client.enqcmd(Descriptor(), to: portal).zf)
        // Device Control 3, DMWr Egress Blocking.
        try write(1 << 1, at: "0x188", of: "rp0")
        #expect(try client.enqcmd(Descriptor(), to: portal).zf)
        let blocked = try fabric()
        #expect(blocked.devices[1].verdict == .egressBlocked && blocked.devices[1].obstacle == "rp0")
        #expect(blocked.ports.map(\.uncorrectableErrors) == ["0x8000000", "0x0", "0x0", "0x0"])
        #expect(blocked.ports[0].egressBlocking && blocked.ports[3].parent == "up" && !blocked.ports[3].dmwrRouting)
        try write(1 << 27, at: "0x104", of: "rp0")
        try write(0, at: "0x188", of: "rp0")
        #expect(try fabric().ports[0].uncorrectableErrors == "0x0")
        #expect(try !client.enqcmd(Descriptor(), to: portal).zf)
    }

    @Test func `Configuration space is the admin's, and refuses what no function has`() throws {
        func read(_ device: String, _ offset: String, _ size: UInt32) -> Request {
            .readConfig(
                .with {
                    $0.device = device
                    $0.offset = offset
                    $0.size = size
                })
        }
        let value = try admin.call(read("inside", "0x0", 4), returning: WireReadConfigReturn.self).value
        #expect(value == "0xb258086")
        #expect(try daemon.client().refusal(of: read("inside", "0x0", 4)).errorClass == "PermissionDenied")
        #expect(try admin.refusal(of: read("nothing", "0x0", 4)).path == "arguments.device")
        #expect(try admin.refusal(of: read("inside", "0x2", 4)).path == "arguments.offset")
        #expect(try admin.refusal(of: read("inside", "0x0", 3)).path == "arguments.size")
        #expect(try admin.refusal(of: read("inside", "0xffd", 2)).path == "arguments.offset")
    }
}
