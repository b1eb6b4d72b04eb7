import DSA
import DSASpec
import IDXD
import Machine
import PCIe
import Testing

@Suite struct `Attributes of groups and engines` {
    static let texts: [(file: String, text: String, profile: ProfileChange)] = [
        ("work_queues", "", .plain), ("engines", "", .plain), ("read_buffers_reserved", "0", .plain),
        ("tokens_reserved", "0", .plain), ("read_buffers_allowed", "96", .plain), ("tokens_allowed", "96", .plain),
        ("use_read_buffer_limit", "0", .plain), ("use_token_limit", "0", .plain), ("traffic_class_a", "1", .plain),
        ("traffic_class_b", "1", .plain), ("traffic_class_a", "1", .second), ("desc_progress_limit", "0", .second),
        ("batch_progress_limit", "0", .second),
    ]

    @Test(arguments: texts)
    func `They have the formats and defaults of dsa-device 8_3`(
        _ given: (file: String, text: String, profile: ProfileChange)
    ) throws {
        try Host(given.profile.profile).expect("group0.3/\(given.file)", given.text)
    }

    @Test func `Engines are in no group at first`() throws { try Host().expect("engine0.3/group_id", "-1") }

    @Test func `Members are listed by name with one space between them`() throws {
        let host = try Host.configured()
        #expect(host.read("group0.0/work_queues") == .text("wq0.0 wq0.1"))
        #expect(host.read("group0.0/engines") == .text("engine0.0 engine0.1 engine0.2 engine0.3"))
        #expect(host.write("wq0.2", in: "group0.0/work_queues") == .errno(.eio))
    }

    @Test func `Limits of what is in progress are visible only with GRPCAP bit 18`() throws {
        let host = try Host()
        #expect(host.read("group0.0/desc_progress_limit") == .errno(.enoent))
        #expect(host.read("group0.0/batch_progress_limit") == .errno(.enoent))
    }

    static let third = ProfileChange("a part of a later version", .dsa2) { $0.version = 0x300 }

    static let stores: [Store] = [
        Store("96", "group0.0/read_buffers_reserved"), Store("0", "group0.0/tokens_reserved"),
        Store("x", "group0.0/read_buffers_reserved", .errno(.einval)),
        Store("97", "group0.0/read_buffers_reserved", .errno(.einval)),
        // Free is what no other group has; the own reservation counts as free.
        Store("57", "group0.0/read_buffers_reserved", .errno(.einval), after: Write("40", "group0.1/tokens_reserved")),
        Store("56", "group0.0/read_buffers_reserved", after: Write("40", "group0.1/tokens_reserved")),
        Store("96", "group0.1/read_buffers_reserved", after: Write("40", "group0.1/tokens_reserved")),
        Store("x", "group0.0/read_buffers_reserved", .errno(.einval), at: .bound),
        Store("97", "group0.0/read_buffers_reserved", .errno(.eperm), at: .bound),
        Store("97", "group0.0/read_buffers_reserved", .errno(.eperm), on: .fixed),

        Store("16", "group0.0/read_buffers_allowed", at: .configured),
        Store("15", "group0.0/read_buffers_allowed", .errno(.einval), at: .configured),
        Store("0", "group0.1/tokens_allowed", at: .configured),
        Store("97", "group0.0/read_buffers_allowed", .errno(.einval)),
        Store("57", "group0.0/tokens_allowed", .errno(.einval), after: Write("40", "group0.1/tokens_reserved")),
        Store("96", "group0.1/read_buffers_allowed", after: Write("40", "group0.1/tokens_reserved")),
        Store("y", "group0.0/read_buffers_allowed", .errno(.einval), at: .bound),
        Store("97", "group0.0/read_buffers_allowed", .errno(.eperm), at: .bound),
        Store("97", "group0.0/read_buffers_allowed", .errno(.eperm), on: .fixed),

        Store("1", "group0.0/use_read_buffer_limit", .errno(.eperm)),
        Store("1", "group0.0/use_read_buffer_limit", after: Write("20", "dsa0/read_buffer_limit")),
        Store("7", "group0.0/use_token_limit", shows: "1", after: Write("20", "dsa0/read_buffer_limit")),
        Store("0", "group0.0/use_token_limit", after: Write("20", "dsa0/read_buffer_limit")),
        Store("y", "group0.0/use_read_buffer_limit", .errno(.einval)),
        Store("1", "group0.0/use_read_buffer_limit", .errno(.eperm), on: .fixed),
        Store("1", "group0.0/use_read_buffer_limit", .errno(.eperm), at: .bound),

        Store("x", "group0.0/traffic_class_a", .errno(.einval)), Store("8", "group0.0/traffic_class_a", .errno(.eperm)),
        Store("0", "group0.0/traffic_class_b", .errno(.eperm), on: .second),
        Store("0", "group0.0/traffic_class_a", on: third), Store("7", "group0.0/traffic_class_b", on: third),
        Store("8", "group0.0/traffic_class_b", .errno(.einval), on: third),
        Store("-1", "group0.0/traffic_class_b", .errno(.einval), on: third),
        Store("8", "group0.0/traffic_class_b", .errno(.eperm), at: .bound, on: third),

        Store("3", "group0.0/desc_progress_limit", on: .second),
        Store("4", "group0.0/desc_progress_limit", .errno(.einval), on: .second),
        Store("3", "group0.0/batch_progress_limit", on: .second),
        Store("4", "group0.0/batch_progress_limit", .errno(.einval), on: .second),
        Store("4", "group0.0/batch_progress_limit", .errno(.eperm), at: .bound, on: .second),

        Store("3", "engine0.0/group_id"), Store("-1", "engine0.0/group_id"),
        Store("4", "engine0.0/group_id", .errno(.einval)), Store("-2", "engine0.0/group_id", .errno(.einval)),
        Store("x", "engine0.0/group_id", .errno(.einval), on: .fixed),
        Store("4", "engine0.0/group_id", .errno(.eperm), on: .fixed),
        // The state of the device does not matter.
        Store("1", "engine0.0/group_id", at: .bound),
    ]

    @Test(arguments: stores)
    func `What may be stored, and what is answered otherwise, is as dsa-device 8_3 says`(_ store: Store) throws {
        try store.check()
    }

    @Test func `Traffic classes of later parts are unset at first, and written as 0 and 1`() throws {
        let host = try Host.configured(Self.third.profile)
        host.expect("group0.0/traffic_class_a", "-1")
        host.expect("group0.0/traffic_class_b", "-1")
        host.require("dsa0", in: "idxd/bind")
        #expect(host.machine.devices[0].groupFlags[0].trafficClassA == 0)
        #expect(host.machine.devices[0].groupFlags[0].trafficClassB == 1)
    }

    @Test func `What a group may use reaches GRPCFG and GENCFG with the bind of the device`() throws {
        let host = try Host.configured()
        host.require("40", in: "dsa0/read_buffer_limit")
        host.require("8", in: "group0.0/read_buffers_reserved")
        host.require("50", in: "group0.0/read_buffers_allowed")
        host.require("1", in: "group0.0/use_read_buffer_limit")
        host.require("dsa0", in: "idxd/bind")
        let flags = host.machine.devices[0].groupFlags[0]
        #expect(flags.readBuffersReserved == 8 && flags.readBuffersAllowed == 50 && flags.usesGlobalReadBufferLimit)
        #expect(flags.trafficClassA == 1 && flags.trafficClassB == 1)
        #expect(host.machine.devices[0].generalConfiguration.globalReadBufferLimit == 40)
        #expect(host.machine.devices[0].generalConfiguration.areUserInterruptsEnabled)
    }
}
