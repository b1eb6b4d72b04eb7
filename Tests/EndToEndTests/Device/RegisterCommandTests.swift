import DSASpec
import Protocol
import ProtocolMessages
import SwiftProtobuf
import TestKit
import Testing

@Suite struct `Registers over the socket` {
    private let daemon: DaemonProcess
    private let admin: WireClient

    init() throws {
        daemon = try DaemonProcess.start()
        admin = try daemon.admin()
    }

    /// Writes CMD and waits for the end as DPDK does, by polling CMDSTATUS.
    private func command(_ code: UInt64, _ operand: UInt64 = 0) throws -> UInt64 {
        try admin.writeRegister(0xA0, code << 20 | operand)
        while true {
            let status = try admin.readRegister(0xA8)
            if status >> 31 == 0 { return status }
        }
    }

    private func write(offset: String, size: UInt32, value: String = "0x0") -> Request {
        .writeRegister(
            .with {
                $0.device = "dsa0"
                $0.offset = offset
                $0.size = size
                $0.value = value
            })
    }

    private func read(offset: String, size: UInt32) -> Request {
        .readRegister(
            .with {
                $0.device = "dsa0"
                $0.offset = offset
                $0.size = size
            })
    }

    @Test func `They are read and written in each size, and a write that has no effect is no error`() throws {
        #expect(try admin.readRegister(0x10, size: 8) == 0x40_915F_0107)
        #expect(try admin.readRegister(0x14, size: 2) == 0x40)
        #expect(try admin.readRegister(0x13, size: 1) == 0x91)
        try admin.writeRegister(0x10, size: 8, 0)
        #expect(try admin.readRegister(0x10, size: 8) == 0x40_915F_0107)
        try admin.writeRegister(0x88, 3)
        try admin.writeRegister(0x88, size: 1, 1)
        #expect(try admin.readRegister(0x88) == 1)
    }

    @Test func `Misaligned accesses, other sizes, values that do not fit and offsets beyond BAR0 are refused`() throws {
        let refusals: [(Request, String)] = [
            (read(offset: "0x82", size: 4), "offset"), (read(offset: "0x84", size: 8), "offset"),
            (read(offset: "0x80", size: 3), "size"), (read(offset: "0x80", size: 0), "size"),
            (read(offset: "0x80", size: 9), "size"), (read(offset: "0x20000", size: 4), "offset"),
            (read(offset: "0xffffffff", size: 1), "offset"), (read(offset: "0x100000000", size: 1), "offset"),
            (write(offset: "0x81", size: 2), "offset"), (write(offset: "0x80", size: 5), "size"),
            (write(offset: "0x20000", size: 8), "offset"), (write(offset: "0x88", size: 1, value: "0x100"), "value"),
            (write(offset: "0x88", size: 4, value: "0x100000000"), "value"),
        ]
        for (request, path) in refusals {
            let refusal = try admin.refusal(of: request)
            #expect(refusal.errorClass == "InvalidArgument", "\(request)")
            #expect(refusal.path == "arguments.\(path)", "\(request)")
        }
        #expect(try admin.readRegister(0x88) == 0)
    }

    @Test func `They are the admin's alone`() throws {
        let user = try daemon.client()
        let requests: [Request] = [
            read(offset: "0x0", size: 4), write(offset: "0x88", size: 4),
            .queryFunction(.with { $0.device = "dsa0" }), .configureFunction(.with { $0.device = "dsa0" }),
            .resetFunction(.with { $0.device = "dsa0" }), .xDeviceHalt(.with { $0.device = "dsa0" }),
        ]
        for request in requests { #expect(try user.refusal(of: request).errorClass == "PermissionDenied") }
        for request in requests.dropFirst(2) { try admin.call(request) }
        #expect(
            try admin.refusal(
                of: .readRegister(
                    .with {
                        $0.device = "dsa9"
                        $0.offset = "0x0"
                        $0.size = 4
                    })
            ).errorClass == "NotFound")
    }

    @Test func `A device that a driver set up through registers alone shows it and works`() throws {
        let watcher = try daemon.admin()
        try watcher.subscribe("DEVICE_STATE", "WQ_STATE")
        let user = try Submitter.hostUser(try daemon.client())
        #expect(try command(5) == 0)
        #expect(try watcher.nextEvent("DEVICE_STATE").decode(WireDeviceStateEvent.self).state == .disabled)
        #expect(try admin.device().wqs.allSatisfy { $0.size == 0 && $0.state == .disabled })
        #expect(try user.submit().isRetry)

        let offsets = try admin.readRegister(0x60, size: 8)
        let groups = Int(offsets & 0xFFFF) << 8
        let queues = Int(offsets >> 16 & 0xFFFF) << 8
        try admin.writeRegister(queues, 20)
        try admin.writeRegister(queues + 4, 18)
        try admin.writeRegister(queues + 8, 1 << 28 | 7 << 4)
        try admin.writeRegister(queues + 12, 20 | 5 << 5)
        try admin.writeRegister(groups + 64, size: 8, 1)
        try admin.writeRegister(groups + 64 + 32, size: 8, 0b1010)
        #expect(try command(1) == 0)
        #expect(try command(6, 0) == 0)
        #expect(try watcher.nextEvent("DEVICE_STATE").decode(WireDeviceStateEvent.self).state == .enabled)
        var event = try watcher.nextEvent("WQ_STATE").decode(WireWqStateEvent.self)
        while event.state != .enabled { event = try watcher.nextEvent("WQ_STATE").decode(WireWqStateEvent.self) }
        #expect(event.wq == 0)

        let device = try admin.device()
        #expect(device.state == .enabled)
        let queue = try admin.workQueue()
        #expect(queue.size == 20 && queue.threshold == 18 && queue.priority == 7 && queue.group == 1)
        #expect(queue.mode == .shared && queue.state == .enabled)
        #expect(queue.maxTransferShift == 20 && queue.maxBatchShift == 5)
        #expect(device.groups[1].engines == [1, 3])
        #expect(try user.client.completion(at: try user.submitAccepted()).status == .success)
        #expect(try admin.readRegister(queues + 24) >> 30 == 1)
    }

    @Test func `A command written to CMD waits for its descriptors and ends by itself, with its events`() throws {
        let watcher = try daemon.admin()
        try watcher.subscribe("WQ_STATE")
        let user = try Submitter.hostUser(try daemon.client())
        try admin.holdEngines()
        let record = try user.submitAccepted()
        try admin.writeRegister(0xA0, 7 << 20 | 1)
        #expect(try admin.readRegister(0xA8) == 1 << 31)
        #expect(try watcher.nextEvent("WQ_STATE").decode(WireWqStateEvent.self).state == .disabling)
        let refusal = try admin.refusal(
            of: .deviceCommand(
                .with {
                    $0.device = "dsa0"
                    $0.command = .drainAll
                }))
        #expect(refusal.errorClass == "WrongState")
        #expect(try admin.readRegister(0xC0) & 0xFF01 == 0x5201)
        try admin.holdEngines(false)
        #expect(try watcher.nextEvent("WQ_STATE").decode(WireWqStateEvent.self).state == .disabled)
        #expect(try admin.readRegister(0xA8) == 0)
        #expect(try user.client.completion(at: record).status == .success)
    }

    @Test func `A change of the function halts the device, and Reset Device ends it`() throws {
        let watcher = try daemon.admin()
        try watcher.subscribe("DEVICE_STATE", "SOFTWARE_ERROR")
        let user = try Submitter.hostUser(try daemon.client())
        let before: WireQueryFunctionReturn = try admin.call(.queryFunction(.with { $0.device = "dsa0" }))
        #expect(before.busMaster && before.pasid && before.trafficClasses == "0xff")
        try admin.call(
            .configureFunction(
                .with {
                    $0.device = "dsa0"
                    $0.busMaster = false
                }))
        #expect(try watcher.nextEvent("DEVICE_STATE").decode(WireDeviceStateEvent.self).state == .halted)
        #expect(try watcher.nextEvent("SOFTWARE_ERROR").decode(WireSoftwareErrorEvent.self).error.code == 0x51)
        #expect(try admin.device().state == .halted)
        #expect(try user.submit().isRetry)
        #expect(try admin.deviceCommand(.drainAll).error == 5)
        #expect(try admin.deviceCommand(.resetDevice).error == 0)
        #expect(try admin.deviceCommand(.enableDevice).error == 0x12)
        try admin.call(
            .configureFunction(
                .with {
                    $0.device = "dsa0"
                    $0.busMaster = true
                }))
        #expect(try admin.deviceCommand(.enableDevice).error == 0)
    }

    @Test func `A halt ends the command that waits, and shows what ends the halt`() throws {
        let user = try Submitter.hostUser(try daemon.client())
        try admin.holdEngines()
        _ = try user.submitAccepted()
        let drain = try admin.send(
            .deviceCommand(
                .with {
                    $0.device = "dsa0"
                    $0.command = .drainAll
                }))
        let other = try daemon.admin()
        try other.call(
            .xDeviceHalt(
                .with {
                    $0.device = "dsa0"
                    $0.reset = .cold
                }))
        #expect(try admin.receive(drain, returning: WireDeviceCommandReturn.self).error == 5)
        #expect(try admin.readRegister(0x90) == 0xF)
        #expect(try admin.deviceCommand(.resetDevice).error == 5)
        #expect(try other.refusal(of: .xDeviceHalt(.with { $0.device = "dsa0" })).errorClass == "WrongState")
        #expect(try admin.workQueue().abandoned == 1)
    }

    @Test func `A function level reset ends a halt that needs it, and returns the registers to power-on`() throws {
        let watcher = try daemon.admin()
        try watcher.subscribe("DEVICE_STATE")
        func halt(until reset: WireXDeviceHaltArguments.Reset) throws {
            try admin.call(
                .xDeviceHalt(
                    .with {
                        $0.device = "dsa0"
                        $0.reset = reset
                    }))
        }
        func reset(_ reset: WireResetFunctionArguments.Reset? = nil) throws {
            try admin.call(
                .resetFunction(
                    .with {
                        $0.device = "dsa0"
                        if let reset { $0.reset = reset }
                    }))
        }
        try admin.writeRegister(0x88, 3)
        try halt(until: .warm)
        #expect(try watcher.nextEvent("DEVICE_STATE").decode(WireDeviceStateEvent.self).state == .halted)
        try reset()
        #expect(try admin.readRegister(0x90) == 0xB, "a halt that needs a warm reset")
        try reset(.warm)
        #expect(try watcher.nextEvent("DEVICE_STATE").decode(WireDeviceStateEvent.self).state == .disabled)
        #expect(try admin.readRegister(0x90) == 0)
        #expect(try admin.readRegister(0x88) == 0)
        #expect(try admin.device().wqs.allSatisfy { $0.size == 0 })
        #expect(try command(1) == 0)
        try halt(until: .functionLevel)
        try reset()
        #expect(try command(1) == 0)
    }

    @Test func `Read buffers and traffic classes of a layout stand in GRPCFG, its limit in GENCFG`() throws {
        let directory = try TemporaryDirectory()
        let layout = try directory.write(
            """
            [{"dev":"dsa0", "read_buffer_limit":50, "groups":[{"dev":"group0.0", "read_buffers_reserved":7,
              "read_buffers_allowed":33, "use_read_buffer_limit":1, "traffic_class_a":2, "traffic_class_b":3,
              "grouped_workqueues":[{"dev":"wq0.0", "mode":"shared", "size":16, "threshold":15, "priority":10,
                "type":"user", "name":"app"}],
              "grouped_engines":[{"dev":"engine0.0"}]}]}]
            """, to: "layout.conf")
        var options = DaemonProcess.Options()
        options.flags = ["--device-layout", layout]
        let daemon = try DaemonProcess.start(options)
        defer { withExtendedLifetime(daemon) {} }
        let admin = try daemon.admin()
        let groups = Int(try admin.readRegister(0x60, size: 8) & 0xFFFF) << 8
        // TC-A 2, TC-B 3, the limit's bit, 7 reserved, 33 allowed.
        #expect(try admin.readRegister(groups + 40, size: 8) == 0x0210_079A)
        #expect(try admin.readRegister(0x80) & 0xFF == 50)
    }
}
