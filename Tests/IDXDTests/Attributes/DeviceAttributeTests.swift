import DSA
import DSASpec
import IDXD
import Machine
import PCIe
import Testing

@Suite struct `Attributes of a device` {
    static let texts: [(file: String, text: String, profile: ProfileChange)] = [
        ("version", "0x100", .plain), ("version", "0x200", .second), ("max_groups", "4", .plain),
        ("max_work_queues", "8", .plain), ("max_engines", "4", .plain), ("max_work_queues_size", "128", .plain),
        ("max_batch_size", "1024", .plain), ("max_transfer_size", "2147483648", .plain),
        ("max_read_buffers", "96", .plain), ("max_tokens", "96", .plain), ("numa_node", "0", .plain),
        ("gen_cap", "0x40915f0107", .plain), ("configurable", "1", .plain), ("configurable", "0", .fixed),
        ("pasid_enabled", "1", .plain), ("pasid_enabled", "0", .withoutPASID), ("clients", "0", .plain),
        ("state", "disabled", .plain), ("cmd_status", "0", .plain), ("read_buffer_limit", "0", .plain),
        ("token_limit", "0", .plain), ("event_log_size", "64", .second),
        ("errors", "00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000", .plain),
        ("op_cap", "00000000,00000000,00000000,00000000,00000000,00000000,00000001,003f03ff", .plain),
    ]

    @Test(arguments: texts)
    func `They have the formats and defaults of dsa-device 8_2`(
        _ given: (file: String, text: String, profile: ProfileChange)
    ) throws {
        try Host(given.profile.profile).expect("dsa0/\(given.file)", given.text)
    }

    @Test func `event_log_size is visible only with an event log`() throws {
        #expect(try Host().read("dsa0/event_log_size") == .errno(.enoent))
    }

    @Test func `Those that are read only take nothing, whoever writes`() throws {
        let host = try Host()
        let writable: Set<DeviceAttribute> = [.commandStatus, .readBufferLimit, .tokenLimit, .eventLogSize]
        for attribute in DeviceAttribute.allCases {
            #expect(attribute.access == (writable.contains(attribute) ? .readWrite : .readOnly))
            guard !writable.contains(attribute) else { continue }
            #expect(host.write("1", in: "dsa0/\(attribute.rawValue)") == .errno(.eio))
        }
    }

    static let stores: [Store] = [
        // Any text clears it.
        Store("whatever", "dsa0/cmd_status", shows: "0"), Store("1", "dsa0/cmd_status", shows: "0", at: .bound),
        Store("96", "dsa0/read_buffer_limit"), Store("96\n", "dsa0/token_limit", shows: "96"),
        Store("+7", "dsa0/read_buffer_limit", shows: "7"), Store("0", "dsa0/read_buffer_limit"),
        Store("x", "dsa0/read_buffer_limit", .errno(.einval)), Store("-1", "dsa0/read_buffer_limit", .errno(.einval)),
        Store("0x10", "dsa0/read_buffer_limit", .errno(.einval)),
        Store(" 1", "dsa0/read_buffer_limit", .errno(.einval)),
        Store("1 ", "dsa0/read_buffer_limit", .errno(.einval)),
        Store("97", "dsa0/read_buffer_limit", .errno(.einval)),
        Store("99999999999999999999", "dsa0/read_buffer_limit", .errno(.einval)),
        // Unparsable comes before not permitted, and that before out of range.
        Store("x", "dsa0/read_buffer_limit", .errno(.einval), at: .bound),
        Store("97", "dsa0/read_buffer_limit", .errno(.eperm), at: .bound),
        Store("97", "dsa0/read_buffer_limit", .errno(.eperm), on: .fixed),
        Store("97", "dsa0/read_buffer_limit", .errno(.eperm), on: .withoutGlobalLimit),
        Store("64", "dsa0/event_log_size", on: .second), Store("65535", "dsa0/event_log_size", on: .second),
        Store("63", "dsa0/event_log_size", .errno(.einval), on: .second),
        Store("65536", "dsa0/event_log_size", .errno(.einval), on: .second),
        Store("63", "dsa0/event_log_size", .errno(.eperm), at: .bound, on: .second),
    ]

    @Test(arguments: stores)
    func `What may be stored, and what is answered otherwise, is as dsa-device 8_2 says`(_ store: Store) throws {
        try store.check()
    }

    @Test func `A write of nothing stores nothing, and one of more than a page its first page`() throws {
        let host = try Host()
        #expect(host.write("", in: "dsa0/read_buffer_limit") == .ok)
        let long = Array("5\n".utf8) + [0] + [UInt8](repeating: UInt8(ascii: "9"), count: 5000)
        #expect(host.write(long, in: "dsa0/read_buffer_limit") == .ok)
        host.expect("dsa0/read_buffer_limit", "5")
    }

    @Test func `state follows the device: disabled, enabled, halted`() throws {
        let host = try Host.configured()
        host.expect("dsa0/state", "disabled")
        host.require("dsa0", in: "idxd/bind")
        host.expect("dsa0/state", "enabled")
        host.machine.halt(device: 0, until: .functionLevel)
        host.expect("dsa0/state", "halted")
    }

    @Test func `errors shows the 32 bytes of SWERROR that the driver has captured`() throws {
        let host = try Host.bound()
        var error = SoftwareError(code: .postedToFullQueue)
        error.workQueue = 1
        host.driver.capture(error, device: 0)
        host.expect(
            "dsa0/errors", "00000000,00000000,00000000,00000000,00000000,00000000,00000000,00015309")
    }
}
