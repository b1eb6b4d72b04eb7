import Platform
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

extension BadInput {
    /// Clients that want more than there is.
    static let limits: [BadInput] = [
        BadInput("connections until descriptors run out", on: withDescriptors(64), act: exhaustDescriptors),
        BadInput(
            "connections beyond the limit", on: .init(configuration: #"{"limits": {"connections": 4}}"#)
        ) { stage in
            // The stage has two.
            let third = try stage.daemon.client()
            let fourth = try stage.daemon.client()
            let refusal = #expect(throws: WireClient.Refusal.self) { _ = try stage.daemon.client() }
            #expect(refusal?.errorClass == "LimitExceeded")
            #expect(try third.status().connections == 4)
            fourth.close()
            third.close()
            try stage.waitForRoom()
        },
        BadInput("portals beyond the limit", on: .init(configuration: #"{"limits":{"portalsPerClient":2}}"#)) { stage in
            let client = try stage.daemon.client()
            let process = try client.attachProcess()
            _ = try client.mapPortal()
            _ = try client.mapPortal()
            let refusal = try client.refusal(
                of: .mapPortal(
                    .with {
                        $0.device = "dsa0"
                        $0.wq = 0
                    }))
            #expect(refusal.errorClass == "LimitExceeded")
            client.close()
            try stage.waitForEnd(ofProcess: process)
        },
        BadInput(
            "memory beyond the quota",
            on: .init(configuration: #"{"limits": {"memoryPerClientBytes": "1048576"}}"#)
        ) { stage in
            let refusal = try stage.witness.client.refusal(of: .allocMemory(.with { $0.size = 4096 }))
            #expect(refusal.errorClass == "LimitExceeded")
        },
        BadInput(
            "processes' PASIDs beyond the quota of the host (I-02)",
            on: .init(configuration: #"{"limits": {"hostPasidQuota": 1}}"#)
        ) { stage in
            // The witness has the one.
            let client = try stage.daemon.client()
            let process = try client.attachProcess()
            let refusal = try client.refusal(of: .bindProcess(.with { $0.device = "dsa0" }))
            #expect(refusal.errorClass == "LimitExceeded")
            client.close()
            try stage.waitForEnd(ofProcess: process)
        },
        BadInput("a VM's PASIDs beyond its quota (I-02)") { stage in
            let client = try stage.daemon.client()
            let vm = try client.createVM(quota: 2)
            try client.bindGuestPASID(1, vm: vm)
            try client.bindGuestPASID(2, vm: vm)
            let refusal = try client.refusal(
                of: .bindGuestPasid(
                    .with {
                        $0.vm = vm
                        $0.guestPasid = 3
                        $0.device = "dsa0"
                    }))
            #expect(refusal.errorClass == "LimitExceeded")
            try client.call(.destroyVm(.with { $0.vm = vm }))
        },
    ]

    private static func withDescriptors(_ count: Int) -> DaemonProcess.Options {
        var options = DaemonProcess.Options()
        options.shell = "ulimit -n \(count)"
        return options
    }

    private static let exhaustDescriptors: @Sendable (BadInputStage) async throws -> Void = { stage in
        var clients: [WireClient] = []
        var refusal: WireClient.Refusal?
        while refusal == nil, clients.count < 64 {
            do { clients.append(try stage.daemon.client()) } catch let error as WireClient.Refusal { refusal = error }
        }
        #expect(refusal?.errorClass == "ResourceExhausted")
        #expect(clients.count > 8)
        // Those that have a connection are served, and so are further ones once there is room.
        for client in clients { #expect(try client.status().state == .running) }
        #expect(throws: WireClient.Refusal.self) { _ = try stage.daemon.client() }
        clients.removeAll()
        try stage.waitForRoom()
    }
}

extension BadInputStage {
    /// Waits until clients that have closed make room for another one.
    func waitForRoom() throws {
        // Each attempt is a turn of the loop, in which the daemon sees who has closed.
        for _ in 0..<100 {
            do {
                let client = try daemon.client()
                _ = try client.status()
                return
            } catch is WireClient.Refusal {}
        }
        throw TestFailure("clients that closed make no room")
    }
}
