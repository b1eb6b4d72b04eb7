import DSA
import DSASpec
import IDXD
import Machine
import PCIe
import Testing

@Suite struct `Attributes of a WQ` {
    static let texts: [(file: String, text: String, profile: ProfileChange)] = [
        ("state", "disabled", .plain), ("clients", "0", .plain), ("group_id", "-1", .plain), ("mode", "shared", .plain),
        ("size", "0", .plain), ("priority", "0", .plain), ("block_on_fault", "0", .plain), ("threshold", "0", .plain),
        ("type", "none", .plain), ("name", "", .plain), ("driver_name", "", .plain),
        ("max_transfer_size", "2097152", .plain), ("max_batch_size", "32", .plain), ("ats_disable", "0", .second),
        ("prs_disable", "0", .second), ("occupancy", "0", .plain), ("enqcmds_retries", "32", .plain),
        ("op_config", "00000000,00000000,00000000,00000000,00000000,00000000,00000001,003f07ff", .second),
    ]

    @Test(arguments: texts)
    func `They have the formats and defaults of dsa-device 8_4`(
        _ given: (file: String, text: String, profile: ProfileChange)
    ) throws {
        try Host(given.profile.profile).expect("wq0.7/\(given.file)", given.text)
    }

    @Test(arguments: ["prs_disable", "op_config"])
    func `Those of DSA 2_0 are hidden without their bits of WQCAP`(_ name: String) throws {
        #expect(try Host().read("wq0.0/\(name)") == .errno(.enoent))
    }

    @Test func `cdev_minor is ENXIO without a node, and occupancy EOPNOTSUPP without WQCAP bit 52`() throws {
        #expect(try Host().read("wq0.0/cdev_minor") == .errno(.enxio))
        #expect(try Host(ProfileChange.withoutOccupancy.profile).read("wq0.0/occupancy") == .errno(.eopnotsupp))
    }

    @Test(arguments: ["state", "clients", "cdev_minor", "occupancy"])
    func `Those that are read only take nothing, whoever writes`(_ name: String) throws {
        #expect(try Host().write("1", in: "wq0.0/\(name)") == .errno(.eio))
    }

    static let stores: [Store] = [
        Store("3", "wq0.0/group_id"), Store("-1", "wq0.0/group_id"), Store("4", "wq0.0/group_id", .errno(.einval)),
        Store("-2", "wq0.0/group_id", .errno(.einval)), Store("x", "wq0.0/group_id", .errno(.einval), at: .bound),
        Store("4", "wq0.0/group_id", .errno(.eperm), on: .fixed),
        Store("4", "wq0.0/group_id", .errno(.eperm), at: .bound),
        Store("1", "wq0.0/group_id", at: .enabled),

        Store("dedicated", "wq0.0/mode"), Store("dedicated\n", "wq0.0/mode", shows: "dedicated"),
        Store("shared", "wq0.0/mode", after: Write("dedicated", "wq0.0/mode")),
        Store("Shared", "wq0.0/mode", .errno(.einval)), Store("shared ", "wq0.0/mode", .errno(.einval)),
        Store("x", "wq0.0/mode", .errno(.eperm), on: .fixed), Store("x", "wq0.0/mode", .errno(.eperm), at: .bound),
        Store("dedicated", "wq0.0/mode", at: .enabled),

        Store("128", "wq0.0/size"), Store("129", "wq0.0/size", .errno(.einval)),
        Store("x", "wq0.0/size", .errno(.einval), at: .bound), Store("-1", "wq0.0/size", .errno(.einval)),
        Store("129", "wq0.0/size", .errno(.eperm), on: .fixed),
        // The device decides, not the WQ.
        Store("16", "wq0.2/size", .errno(.eperm), at: .enabled),
        Store("128", "wq0.0/size", after: Write("28", "wq0.0/size")),
        Store("101", "wq0.0/size", .errno(.einval), after: Write("28", "wq0.1/size")),
        Store("100", "wq0.0/size", after: Write("28", "wq0.1/size")),

        // 0 is accepted here, and refused by the device.
        Store("0", "wq0.0/priority"), Store("15", "wq0.0/priority"), Store("16", "wq0.0/priority", .errno(.einval)),
        Store("x", "wq0.0/priority", .errno(.einval), at: .bound),
        Store("16", "wq0.0/priority", .errno(.eperm), at: .bound),
        Store("16", "wq0.0/priority", .errno(.eperm), on: .fixed), Store("3", "wq0.0/priority", at: .enabled),

        Store("1", "wq0.0/block_on_fault"), Store("yes", "wq0.0/block_on_fault", shows: "1"),
        Store("on", "wq0.0/block_on_fault", shows: "1"),
        Store("off", "wq0.0/block_on_fault", shows: "0", after: Write("1", "wq0.0/block_on_fault")),
        Store("N", "wq0.0/block_on_fault", shows: "0", after: Write("1", "wq0.0/block_on_fault")),
        Store("2", "wq0.0/block_on_fault", .errno(.einval)), Store("o", "wq0.0/block_on_fault", .errno(.einval)),
        Store("2", "wq0.0/block_on_fault", .errno(.eopnotsupp), on: .withoutBlockOnFault),
        Store("2", "wq0.0/block_on_fault", .errno(.eperm), on: .fixed),
        Store("2", "wq0.0/block_on_fault", .errno(.enxio), at: .bound),
        Store("1", "wq0.0/block_on_fault", .errno(.eopnotsupp), on: .second, after: Write("1", "wq0.0/prs_disable")),
        Store("0", "wq0.0/block_on_fault", on: .second, after: Write("1", "wq0.0/prs_disable")),

        Store("16", "wq0.0/threshold", at: .configured), Store("0x8", "wq0.0/threshold", shows: "8", at: .configured),
        Store("010", "wq0.0/threshold", shows: "8", at: .configured),
        Store("17", "wq0.0/threshold", .errno(.einval), at: .configured),
        Store("0", "wq0.0/threshold", .errno(.einval), at: .configured),
        // Out of range comes before the state.
        Store("17", "wq0.0/threshold", .errno(.einval), at: .bound),
        Store("x", "wq0.0/threshold", .errno(.einval), at: .bound),
        Store("8", "wq0.0/threshold", .errno(.enxio), at: .bound),
        Store("1", "wq0.0/threshold", .errno(.einval), on: .fixed),
        Store("8", "wq0.1/threshold", .errno(.einval), at: .configured),

        Store("kernel", "wq0.0/type"), Store("user\n", "wq0.0/type", shows: "user"),
        Store("none", "wq0.0/type", after: Write("user", "wq0.0/type")), Store("mdev", "wq0.0/type", .errno(.einval)),
        Store("mdev", "wq0.0/type", .errno(.eperm), at: .bound), Store("user", "wq0.0/type", on: .fixed),

        Store("app", "wq0.0/name"), Store("  my app \n", "wq0.0/name", shows: "my app"),
        Store(String(repeating: "n", count: 1024), "wq0.0/name"),
        Store(String(repeating: "n", count: 1025), "wq0.0/name", .errno(.einval)),
        Store("\0app", "wq0.0/name", .errno(.einval)), Store("\0", "wq0.0/name", .errno(.eperm), at: .bound),
        Store("app\0rest", "wq0.0/name", shows: "app"),

        Store("user", "wq0.0/driver_name"), Store("dmaengine\n", "wq0.0/driver_name", shows: "dmaengine"),
        Store(String(repeating: "n", count: 128), "wq0.0/driver_name"),
        Store(String(repeating: "n", count: 129), "wq0.0/driver_name", .errno(.einval)),
        Store("\0", "wq0.0/driver_name", .errno(.einval)), Store("\0", "wq0.0/driver_name", .errno(.eperm), at: .bound),

        Store("4096", "wq0.0/max_transfer_size"), Store("0x1000", "wq0.0/max_transfer_size", shows: "4096"),
        Store("4097", "wq0.0/max_transfer_size", shows: "8192"), Store("1", "wq0.0/max_transfer_size"),
        Store("2147483648", "wq0.0/max_transfer_size"),
        Store("2147483649", "wq0.0/max_transfer_size", .errno(.einval)),
        Store("18446744073709551615", "wq0.0/max_transfer_size", .errno(.einval)),
        Store("0", "wq0.0/max_transfer_size", .errno(.einval)), Store("x", "wq0.0/max_transfer_size", .errno(.einval)),
        Store("x", "wq0.0/max_transfer_size", .errno(.eperm), at: .bound),
        Store("x", "wq0.0/max_transfer_size", .errno(.eperm), on: .fixed),
        Store("1000", "wq0.0/max_batch_size", shows: "1024"), Store("1025", "wq0.0/max_batch_size", .errno(.einval)),
        Store("0", "wq0.0/max_batch_size", .errno(.einval)),
        Store("x", "wq0.0/max_batch_size", .errno(.eperm), at: .bound),
        Store("x", "wq0.0/max_batch_size", .errno(.eperm), on: .fixed),

        Store("1", "wq0.0/ats_disable", on: .second), Store("x", "wq0.0/ats_disable", .errno(.einval), on: .second),
        Store("x", "wq0.0/ats_disable", .errno(.eperm), at: .bound, on: .second),
        Store("0", "wq0.0/ats_disable"), Store("1", "wq0.0/ats_disable", .errno(.eopnotsupp)),
        Store("1", "wq0.0/prs_disable", on: .second), Store("x", "wq0.0/prs_disable", .errno(.einval), on: .second),
        Store("x", "wq0.0/prs_disable", .errno(.eperm), at: .bound, on: .second),

        Store("64", "wq0.0/enqcmds_retries"), Store("65", "wq0.0/enqcmds_retries", shows: "64"),
        Store("0", "wq0.0/enqcmds_retries", at: .bound), Store("x", "wq0.0/enqcmds_retries", .errno(.einval)),
        Store("x", "wq0.1/enqcmds_retries", .errno(.eopnotsupp), at: .bound),

        Store("1,000001ff", "wq0.0/op_config", shows: zeros + "00000001,000001ff", on: .second),
        Store("9", "wq0.0/op_config", shows: zeros + "00000000,00000009", on: .second),
        Store("2,00000000", "wq0.0/op_config", .errno(.einval), on: .second),
        Store("1,0,0", "wq0.0/op_config", .errno(.einval), on: .second),
        Store("g", "wq0.0/op_config", .errno(.einval), on: .second),
        Store("000000001", "wq0.0/op_config", .errno(.eoverflow), on: .second),
        Store("0,0,0,0,0,0,0,0,0", "wq0.0/op_config", .errno(.eoverflow), on: .second),
        Store("g", "wq0.0/op_config", .errno(.eperm), at: .bound, on: .second),
    ]

    static let zeros = String(repeating: "00000000,", count: 6)

    @Test(arguments: stores)
    func `What may be stored, and what is answered otherwise, is as dsa-device 8_4 says`(_ store: Store) throws {
        try store.check()
    }

    @Test func `Mode dedicated sets threshold 0`() throws {
        let host = try Host.configured()
        host.expect("wq0.0/threshold", "16")
        host.require("dedicated", in: "wq0.0/mode")
        host.expect("wq0.0/threshold", "0")
    }

    @Test func `Another type clears the name, the same one keeps it`() throws {
        let host = try Host.configured()
        host.require("user", in: "wq0.0/type")
        host.expect("wq0.0/name", "app0")
        host.require("kernel", in: "wq0.0/type")
        host.expect("wq0.0/name", "")
    }

    @Test func `prs_disable clears block_on_fault`() throws {
        let host = try Host(.dsa2)
        host.require("1", in: "wq0.0/block_on_fault")
        host.require("1", in: "wq0.0/prs_disable")
        host.expect("wq0.0/block_on_fault", "0")
    }

    @Test func `Everything reaches WQCFG with the bind`() throws {
        let host = try Host.configured(.dsa2)
        for (text, name) in [
            ("9", "threshold"), ("3", "priority"), ("65536", "max_transfer_size"), ("16", "max_batch_size"),
            ("1", "block_on_fault"), ("1", "ats_disable"), ("3", "op_config"),
        ] {
            host.require(text, in: "wq0.0/\(name)")
        }
        host.require("dsa0", in: "idxd/bind")
        host.require("wq0.0", in: "user/bind")
        let configuration = host.machine.devices[0].workQueues[0].configuration
        #expect(configuration.size == 16 && configuration.threshold == 9 && configuration.mode == .shared)
        #expect(configuration.priority == 3 && configuration.pasidEnable && !configuration.isPrivileged)
        #expect(configuration.maximumTransferShift == 16 && configuration.maximumBatchShift == 4)
        #expect(configuration.blockOnFaultEnable && configuration.atsDisable && !configuration.prsDisable)
        #expect(configuration.operations == OpcodeSet(bits: 3))
    }

    @Test func `WQCFG is written read-modify: what the driver knows nothing of stays`() throws {
        let host = try Host.configured()
        var configuration = WorkQueueConfiguration()
        configuration.occupancyInterrupt.limit = 5
        configuration.maximumListShift = 0
        _ = host.machine.configure(workQueue: 0, as: configuration, device: 0)
        host.require("dsa0", in: "idxd/bind")
        #expect(host.machine.devices[0].workQueues[0].configuration.occupancyInterrupt.limit == 5)
    }
}
