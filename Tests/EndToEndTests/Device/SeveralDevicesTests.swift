import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `A PASID on several devices` {
    private static let configuration = #"{"devices": [{"name": "dsa0"}, {"name": "dsa1"}]}"#
    private static let rids = ["6a:01.0", "6a:02.0"]

    private func bind(_ client: WireClient, _ device: String) throws -> UInt32 {
        try client.call(.bindProcess(.with { $0.device = device }), returning: WireBindProcessReturn.self).pasid
    }

    private func unbind(_ client: WireClient, _ device: String) throws {
        try client.call(.unbindProcess(.with { $0.device = device }))
    }

    @Test func `Each device leaves its rows, the first and the last those of the binding`() throws {
        let daemon = try DaemonProcess.start(.init(configuration: Self.configuration))
        let client = try daemon.client()
        try client.subscribe("IOASID_ALLOC", "IOASID_BIND", "IOASID_UNBIND", "IOASID_FREE")
        _ = try client.attachProcess()
        let pasid = try bind(client, "dsa0")
        #expect(try bind(client, "dsa1") == pasid)
        #expect(try client.ioasids().map(\.devices) == [["dsa0", "dsa1"]])
        try unbind(client, "dsa0")
        #expect(try client.ioasids().map(\.devices) == [["dsa1"]])
        try unbind(client, "dsa1")

        let events = try client.history()
        #expect(events.map(\.kind) == [.alloc, .bind, .bindDevice, .unbindDevice, .unbind, .free])
        #expect(events.dropFirst().dropLast().map(\.rid) == [Self.rids[0], Self.rids[1], Self.rids[0], Self.rids[1]])
        #expect(events.allSatisfy { $0.ioasid == pasid })
        // The IOASID core has seen one binding.
        let announced = ["IOASID_ALLOC", "IOASID_BIND", "IOASID_UNBIND", "IOASID_FREE"]
        #expect(client.takeEvents().map(\.name) == announced)
    }

    @Test func `What was acknowledged is there after kill -9`() throws {
        var daemon = try DaemonProcess.start(.init(configuration: Self.configuration))
        let client = try daemon.client()
        let vm = try client.createVM()
        for device in ["dsa0", "dsa1"] {
            let request = Request.bindGuestPasid(
                .with {
                    $0.vm = vm
                    $0.guestPasid = 5
                    $0.device = device
                })
            _ = try client.call(request, returning: WireBindGuestPasidReturn.self)
        }
        try daemon.kill()
        daemon = try daemon.restarted()
        let events = try daemon.admin().history()
        #expect(events.map(\.kind) == [.alloc, .bind, .bindDevice, .unbind, .free])
        #expect(events[2].rid == Self.rids[1] && events[2].guestPasid == 5 && events[2].vm == vm)
    }
}
