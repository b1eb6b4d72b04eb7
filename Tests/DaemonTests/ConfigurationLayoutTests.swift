import DSASpec
import Daemon
import Testing

@Suite struct `Device layout` {
    private func devices(
        _ layout: String, in directory: borrowing ConfigurationDirectory
    ) throws -> [DeviceSetup] {
        _ = try directory.write("layout.conf", layout)
        return try load(flags: [.deviceLayout: "%/layout.conf"], in: directory).devices
    }

    private func device(_ layout: String) throws -> DeviceSetup {
        let directory = try ConfigurationDirectory()
        return try #require(try devices(layout, in: directory).first)
    }

    /// As version 4.1 of the tool saves a part of version 1, every member that it writes included.
    private static let saved = """
        [
          {
            "dev":"dsa0",
            "read_buffer_limit":0,
            "groups":[
              {
                "dev":"group0.0", "read_buffers_reserved":0, "use_read_buffer_limit":0, "read_buffers_allowed":96,
                "traffic_class_a":1, "traffic_class_b":-1,
                "grouped_workqueues":[
                  {
                    "dev":"wq0.0", "mode":"shared", "size":16, "group_id":0, "priority":10, "block_on_fault":1,
                    "max_batch_size":32, "max_transfer_size":2097152, "type":"user", "name":"app1",
                    "driver_name":"user", "threshold":15, "prs_disable":0, "ats_disable":0
                  },
                  {
                    "dev":"wq0.3", "mode":"dedicated", "size":100, "group_id":0, "priority":1, "block_on_fault":0,
                    "max_batch_size":1024, "max_transfer_size":2147483648, "type":"kernel", "name":"dmaengine",
                    "driver_name":"dmaengine", "threshold":0, "ats_disable":-1
                  }
                ],
                "grouped_engines":[ {"dev":"engine0.0", "group_id":0}, {"dev":"engine0.2", "group_id":0} ]
              },
              {"dev":"group0.1", "read_buffers_reserved":0, "use_read_buffer_limit":0, "read_buffers_allowed":0}
            ],
            "ungrouped_engines":[ {"dev":"engine0.1"}, {"dev":"engine0.3"} ]
          }
        ]
        """

    @Test func `A saved configuration is taken as it is`() throws {
        let device = try device(Self.saved)
        #expect(device.name == "dsa0")
        #expect(device.isEnabled)
        #expect(device.commands == [.enableDevice, .enableWorkQueue(0), .enableWorkQueue(3)])
        #expect(device.workQueues.map(\.index) == [0, 3])
        #expect(
            device.groups == [
                GroupConfiguration(workQueues: 0b1001, engines: 0b101), GroupConfiguration(), GroupConfiguration(),
                GroupConfiguration(),
            ])
        var shared = WorkQueueConfiguration()
        shared.mode = .shared
        shared.size = 16
        shared.threshold = 15
        shared.priority = 10
        shared.pasidEnable = true
        shared.blockOnFaultEnable = true
        shared.maximumBatchShift = 5
        shared.maximumTransferShift = 21
        #expect(device.workQueues[0].configuration == shared)
        var dedicated = WorkQueueConfiguration()
        dedicated.mode = .dedicated
        dedicated.size = 100
        dedicated.priority = 1
        dedicated.maximumBatchShift = 10
        dedicated.maximumTransferShift = 31
        #expect(device.workQueues[1].configuration == dedicated)
        #expect(device.workQueues.map(\.identity.name) == ["app1", "dmaengine"])
        #expect(device.workQueues.map(\.identity.driverName) == ["user", "dmaengine"])
    }

    @Test func `What the tool lists with idle parts and facts of the machine is taken too`() throws {
        let device = try device(
            """
            [{"dev":"dsa0", "token_limit":0, "max_groups":4, "max_work_queues":8, "max_engines":4,
              "work_queue_size":128,
              "numa_node":0, "op_cap":"00000001,003f027d", "gen_cap":"0x40915f0107", "version":"0x100",
              "state":"enabled", "max_tokens":96, "max_batch_size":1024, "ims_size":2048,
              "max_transfer_size":2147483648, "configurable":1, "pasid_enabled":1, "cdev_major":237, "clients":0,
              "groups":[{"dev":"group0.1", "tokens_reserved":0, "use_token_limit":0, "tokens_allowed":8,
                "grouped_workqueues":[
                  \(LayoutText.workQueue(1, group: 1, changes: ["state": "\"enabled\"", "cdev_minor": "1"])),
                  \(LayoutText.workQueue(2, group: 1, changes: ["state": "\"disabled\""])),
                  \(LayoutText.workQueue(3, group: 1, changes: ["type": "\"none\"", "name": "\"\""]))],
                "grouped_engines":[{"dev":"engine0.1", "group_id":1}]}],
              "ungrouped workqueues":[{"dev":"wq0.0", "mode":"shared", "size":0, "priority":0, "block_on_fault":0,
                "type":"none", "name":"", "threshold":0, "state":"disabled", "clients":0}]}]
            """)
        #expect(device.workQueues.map(\.index) == [1, 2, 3])
        #expect(device.commands == [.enableDevice, .enableWorkQueue(1)])
        #expect(device.groups[1] == GroupConfiguration(workQueues: 0b1110, engines: 0b10))
    }

    @Test func `Absent members have the defaults of the Linux driver`() throws {
        let device = try device(
            LayoutText.workQueue(with: [
                "mode": "", "group_id": "", "block_on_fault": "", "max_batch_size": "", "max_transfer_size": "",
                "type": "", "name": "", "driver_name": "",
            ]))
        let configuration = device.workQueues[0].configuration
        #expect(configuration.mode == .shared)
        #expect(configuration.maximumBatchShift == 5)
        #expect(configuration.maximumTransferShift == 21)
        #expect(device.workQueues[0].isEnabled)
    }

    @Test func `Read buffers and traffic classes of groups, and the limit of the device, are written to the device`()
        throws
    {
        func group(_ index: Int, _ members: String) -> String {
            """
            {"dev":"group0.\(index)", \(members)
             "grouped_workqueues":[\(LayoutText.workQueue(index, group: index))],
             "grouped_engines":[{"dev":"engine0.\(index)", "group_id":\(index)}]}
            """
        }
        let device = try device(
            """
            [{"dev":"dsa0", "read_buffer_limit":40, "groups":[
              \(group(0, #""read_buffers_reserved":6, "read_buffers_allowed":20, "use_read_buffer_limit":1,"#)),
              \(group(1, #""tokens_reserved":0, "tokens_allowed":90, "traffic_class_a":5, "traffic_class_b":-1,"#)),
              \(group(2, #""read_buffers_allowed":8, "traffic_class_a":-1, "traffic_class_b":7,"#))]}]
            """)
        // TC-A in bits 2 to 0, TC-B in 5 to 3, the limit in 7, reserved in 15 to 8, allowed in 27 to 20.
        #expect(device.groupFlags.map(\.rawValue) == [0x0140_0689, 0x05A0_000D, 0x0080_0038, 0x0600_0009])
        #expect(device.generalConfiguration.rawValue == 1 << 12 | 40)
        // For 0 read buffers allowed a driver writes all.
        let unset = LayoutText.group(0).replacing(#""read_buffers_allowed":96"#, with: #""read_buffers_allowed":0"#)
        let all = try self.device(LayoutText.device(groups: [unset]))
        #expect(all.groupFlags[0].rawValue == 0x0600_0009)
        #expect(all.generalConfiguration.rawValue == 1 << 12 | 96)
    }

    @Test(arguments: [
        (1, 0), (2, 1), (3, 2), (4096, 12), (4097, 13), (1 << 31, 31), ((1 << 30) + 1, 31),
    ])
    func `A transfer size is rounded up to a power of two`(_ size: Int, _ shift: UInt8) throws {
        let device = try device(LayoutText.workQueue(with: ["max_transfer_size": "\(size)"]))
        #expect(device.workQueues[0].configuration.maximumTransferShift == shift)
    }

    @Test(arguments: [(2, 1), (3, 2), (1000, 10), (1024, 10)])
    func `A batch size is rounded up to a power of two`(_ size: Int, _ shift: UInt8) throws {
        let device = try device(LayoutText.workQueue(with: ["max_batch_size": "\(size)"]))
        #expect(device.workQueues[0].configuration.maximumBatchShift == shift)
    }

    @Test func `A comma after a last element is passed over, as the tool does`() throws {
        let text = LayoutText.device(groups: [LayoutText.group(0)]).replacing("]", with: " , ]").replacing(
            "}", with: ",}")
        #expect(try device(text).workQueues.count == 1)
        // In a string it is text.
        let name = LayoutText.workQueue(with: ["name": #""a,]\",}""#])
        #expect(try device(name).workQueues.count == 1)
    }

    @Test func `A device without WQs stays disabled`() throws {
        let device = try device(LayoutText.device(groups: [], extra: #", "state":"enabled""#))
        #expect(!device.isEnabled)
        #expect(device.commands.isEmpty)
        let disabled = try self.device(
            LayoutText.device(groups: [LayoutText.group(0)], extra: #", "state":"disabled""#))
        #expect(disabled.workQueues.count == 1)
        #expect(disabled.commands.isEmpty)
    }

    @Test func `Every DSA device of a file is one of the daemon's, other accelerators are passed over`() throws {
        let directory = try ConfigurationDirectory()
        let first = LayoutText.device("dsa0", groups: [LayoutText.group(0)]).dropFirst().dropLast()
        let second = LayoutText.device("dsa2", groups: [LayoutText.group(1).replacing("0.", with: "2.")]).dropFirst()
            .dropLast()
        let text = #"[{"dev":"iax1", "anything":[]}, \#(first), \#(second)]"#
        let devices = try devices(text, in: directory)
        #expect(devices.map(\.name) == ["dsa0", "dsa2"])
        #expect(devices.map { $0.workQueues.map(\.index) } == [[0], [1]])
        // By name from the configuration file; a file with one device fits any name.
        let named = try load(file: #"{"devices": [{"name": "dsa2", "layout": "layout.conf"}]}"#, in: directory)
        #expect(named.devices.map { $0.workQueues.map(\.index) } == [[1]])
        #expect(
            refusal(file: #"{"devices": [{"name": "mine", "layout": "layout.conf"}]}"#, in: directory)
                == "%/layout.conf: describes dsa0, dsa2 and not mine; that name, or a single device, is accepted")
        _ = try directory.write("layout.conf", "[\(second)]")
        let only = try load(file: #"{"devices": [{"name": "mine", "layout": "layout.conf"}]}"#, in: directory)
        #expect(only.devices.map(\.name) == ["mine"])
        #expect(only.devices.map { $0.workQueues.map(\.index) } == [[1]])
    }

    @Test func `A layout of a flag replaces the devices of the file and is printed as devices`() throws {
        let directory = try ConfigurationDirectory()
        _ = try directory.write("layout.conf", Self.saved)
        let configuration = try load(
            file: #"{"devices": [{"name": "a"}, {"name": "b"}]}"#, flags: [.deviceLayout: "%/layout.conf"],
            in: directory)
        #expect(configuration.devices.map(\.name) == ["dsa0"])
        let printed = try load(file: configuration.json, in: directory)
        #expect(printed.wire == configuration.wire)
        #expect(printed.devices.map(\.groups) == configuration.devices.map(\.groups))
    }

    @Test(arguments: ["shared-priorities", "one-shared-queue", "dedicated-per-engine"])
    func `The examples are valid and enable all they configure`(_ name: String) throws {
        let configuration = try ConfigurationSources(
            flags: [.deviceLayout: "\(checkoutPath)/config/layouts/\(name).conf"], environment: serviceEnvironment
        ).load()
        let device = try #require(configuration.devices.first)
        #expect(device.commands.count == 1 + device.workQueues.count)
        #expect(device.workQueues.reduce(0) { $0 + Int($1.configuration.size) } == 128)
    }
}

@Suite struct `Device layout errors` {
    /// A layout that is refused, and the words for it behind the file's name.
    struct Case: Sendable, CustomTestStringConvertible {
        let layout: String
        let expected: String

        var testDescription: String { expected }

        init(_ layout: String, _ expected: String) {
            self.layout = layout
            self.expected = expected
        }

        /// A change of one member of a WQ.
        static func workQueue(_ member: String, _ value: String, _ expected: String) -> Case {
            Case(
                LayoutText.workQueue(with: [member: value]),
                "[0].groups[0].grouped_workqueues[0].\(member): \(expected)")
        }

        /// A change of one member of a group.
        static func group(_ member: String, _ value: String, _ expected: String) -> Case {
            Case(
                LayoutText.device(groups: [LayoutText.group(0, extra: #", "\#(member)":\#(value)"#)]),
                "[0].groups[0].\(member): \(expected)")
        }
    }

    private static let engine = "[0].groups[0].grouped_engines"
    private static let allowed = #""read_buffers_allowed":96"#
    private static let reserved = #""read_buffers_reserved":0"#

    static let cases: [Case] = [
        // The file.
        Case("{}", "is not an array"),
        Case("[]", "describes no dsa device; one at least is required"),
        Case(#"[{"dev":"iax1"}]"#, "describes no dsa device; one at least is required"),
        Case("[1]", "[0]: is not an object"),
        Case(#"[{"groups":[]}]"#, #"[0]: lacks "dev", the name of the device"#),
        Case(#"[{"dev":"dsa"}]"#, #"[0]: has the name "dsa"; "dsa" and a number is accepted"#),
        Case(#"[{"dev":"dsa-1"}]"#, #"[0]: has the name "dsa-1"; "dsa" and a number is accepted"#),
        Case(#"[{"dev":"dsaX"}]"#, #"[0]: has the name "dsaX"; "dsa" and a number is accepted"#),
        Case(
            #"[{"dev":"dsa0"}, {"dev":"dsa0"}]"#,
            "[1]: describes dsa0 again; one description of a device is accepted"),
        Case(#"[{"dev":"dsa0", "groups":{}}]"#, "[0].groups: is not an array"),
        Case(#"[{"dev":"dsa0", "groups":[7]}]"#, "[0].groups[0]: is not an object"),
        Case(#"[{"dev":"dsa0", "dev":"dsa0"}]"#, "[0].dev: is given twice; give it once"),
        Case(
            LayoutText.device(extra: #", "event_log_size":64"#),
            "[0].event_log_size: is not accepted: a device of version 1 has no event log"),
        Case(LayoutText.device(extra: #", "token_limit":97"#), "[0].token_limit: is 97; 0 to 96 is accepted"),
        Case(
            LayoutText.device(extra: #", "state":"halted""#), #"[0].state: is "halted"; accepted are enabled, disabled"#
        ),
        // Groups.
        Case(LayoutText.device(groups: [#"{"grouped_engines":[]}"#]), "[0].groups[0].dev: is missing; it is required"),
        Case(
            LayoutText.device(groups: [#"{"dev":"group0.4"}"#]),
            #"[0].groups[0].dev: is "group0.4"; group0.0 to group0.3 are the names of that kind on dsa0"#),
        Case(
            LayoutText.device(groups: [#"{"dev":"group0.0"}"#, #"{"dev":"group0.0"}"#]),
            "[0].groups[1].dev: is group0.0, which the file has already put elsewhere; once is accepted"),
        Case(
            LayoutText.device(groups: [#"{"dev":"group0.0", "color":1}"#]),
            "[0].groups[0].color: is unknown; accepted here are batch_progress_limit, desc_progress_limit, dev, "
                + "grouped_engines, grouped_workqueues, read_buffers_allowed, read_buffers_reserved, tokens_allowed, "
                + "tokens_reserved, traffic_class_a, traffic_class_b, use_read_buffer_limit, use_token_limit"),
        .group("tokens_reserved", "-1", "is -1; 0 to 96 is accepted"),
        .group("use_token_limit", "1", "is 1; 0 is accepted: read_buffer_limit is 0"),
        .group(
            "tokens_allowed", "96",
            "is another name of read_buffers_allowed, which is given too; give one"),
        .group("traffic_class_a", "8", "is 8; -1 to 7 is accepted"),
        .group(
            "desc_progress_limit", "1",
            "is 1; 0 is accepted: a device of version 1 cannot limit what is in progress"),
        // Engines.
        Case(
            LayoutText.device(groups: [LayoutText.group(0, engines: [4])]),
            #"\#(engine)[0].dev: is "engine0.4"; engine0.0 to engine0.3 are the names of that kind on dsa0"#),
        Case(
            LayoutText.device(groups: [LayoutText.group(0, engines: [1, 1])]),
            "\(engine)[1].dev: is engine0.1, which the file has already put elsewhere; once is accepted"),
        Case(
            LayoutText.device(groups: [#"{"dev":"group0.0", "grouped_engines":[{"dev":"engine0.0", "group_id":1}]}"#]),
            "\(engine)[0].group_id: is 1; 0 is accepted: it stands in group 0"),
        Case(
            LayoutText.device(extra: #", "ungrouped_engines":[{"dev":"engine0.0", "group_id":1}]"#),
            "[0].ungrouped_engines[0].group_id: is 1; -1 is accepted: it stands among the ungrouped"),
        // WQs.
        .workQueue("dev", #""wq0.8""#, #"is "wq0.8"; wq0.0 to wq0.7 are the names of that kind on dsa0"#),
        .workQueue("dev", #""wq0.00""#, #"is "wq0.00"; wq0.0 to wq0.7 are the names of that kind on dsa0"#),
        .workQueue("dev", #""wq1.0""#, #"is "wq1.0"; wq0.0 to wq0.7 are the names of that kind on dsa0"#),
        .workQueue("dev", "0", "is 0; a string is accepted"),
        .workQueue("mode", #""both""#, #"is "both"; accepted are shared, dedicated"#),
        .workQueue("size", "", "is missing; 1 to 128 is accepted"),
        .workQueue("size", "0", "is 0; 1 to 128 is accepted"),
        .workQueue("size", "129", "is 129; 1 to 128 is accepted"),
        .workQueue("size", #""16""#, #"is "16"; 1 to 128 is accepted"#),
        .workQueue("size", "16.0", "is 16.0; 1 to 128 is accepted"),
        .workQueue("size", "99999999999999999999", "is 99999999999999999999; 1 to 128 is accepted"),
        .workQueue("group_id", "1", "is 1; 0 is accepted: it stands in group 0"),
        .workQueue("priority", "0", "is 0; 1 to 15 is accepted"),
        .workQueue("priority", "16", "is 16; 1 to 15 is accepted"),
        .workQueue("priority", "", "is missing; 1 to 15 is accepted"),
        .workQueue("threshold", "", "is missing; 1 to 16 is accepted"),
        .workQueue("threshold", "0", "is 0; 1 to 16 is accepted: a shared WQ needs one up to its size"),
        .workQueue("threshold", "17", "is 17; 1 to 16 is accepted: a shared WQ needs one up to its size"),
        .workQueue("block_on_fault", "2", "is 2; 0 to 1 is accepted"),
        .workQueue(
            "ats_disable", "1", "is 1; -1 to 0 is accepted: a device of version 1 cannot switch ATS off for a WQ"),
        .workQueue(
            "prs_disable", "1",
            "is 1; -1 to 0 is accepted: a device of version 1 cannot switch page requests off for a WQ"),
        .workQueue("max_batch_size", "1", "is 1; 2 to 1024 is accepted"),
        .workQueue("max_batch_size", "1025", "is 1025; 2 to 1024 is accepted"),
        .workQueue("max_transfer_size", "0", "is 0; 1 to 2147483648 is accepted"),
        .workQueue("max_transfer_size", "2147483649", "is 2147483649; 1 to 2147483648 is accepted"),
        .workQueue("op_config", #""00000001""#, "is not accepted: a device of version 1 has no OPCFG"),
        .workQueue("name", "\"\(String(repeating: "n", count: 1025))\"", "has 1025 bytes; up to 1024 are accepted"),
        .workQueue("driver_name", "7", "is 7; a string is accepted"),
        .workQueue("enqcmds_retries", "-1", "is -1; 0 to 4294967295 is accepted"),
        .workQueue("type", #""mdev""#, #"is "mdev"; accepted are none, kernel, user"#),
        .workQueue(
            "sise", "1",
            "is unknown; accepted here are ats_disable, block_on_fault, cdev_minor, clients, dev, driver_name, "
                + "enqcmds_retries, group_id, max_batch_size, max_transfer_size, mode, name, occupancy, op_config, "
                + "priority, prs_disable, size, state, threshold, type"),
        Case(
            LayoutText.device(groups: [
                LayoutText.group(0), LayoutText.group(1, workQueues: [LayoutText.workQueue(0, group: 1)]),
            ]),
            "[0].groups[1].grouped_workqueues[0].dev: is wq0.0, which the file has already put elsewhere; "
                + "once is accepted"
        ),
        // What Enable Device refuses.
        Case(
            LayoutText.device(groups: [
                LayoutText.group(0, workQueues: [LayoutText.workQueue(0, changes: ["size": "100"])]),
                LayoutText.group(1, workQueues: [LayoutText.workQueue(1, group: 1, changes: ["size": "29"])]),
            ]), "[0]: Enable Device fails with 0x14: the WQ sizes sum to 129; up to 128 are accepted"),
        Case(
            LayoutText.device(groups: [
                LayoutText.group(0, engines: [0, 1]).replacing(allowed, with: #""read_buffers_allowed":7"#)
            ]), "[0]: Enable Device fails with 0x18: group 0 may use 7 read buffers; 8 to 96 are accepted"),
        Case(
            LayoutText.device(groups: [
                LayoutText.group(0),
                LayoutText.group(1).replacing(reserved, with: #""read_buffers_reserved":90"#),
            ]), "[0]: Enable Device fails with 0x18: group 0 may use 96 read buffers; 4 to 6 are accepted"),
        Case(
            LayoutText.device(groups: [
                LayoutText.group(0).replacing(reserved, with: #""read_buffers_reserved":50"#),
                LayoutText.group(1).replacing(reserved, with: #""read_buffers_reserved":47"#),
            ]), "[0]: Enable Device fails with 0x18: the groups reserve 97 read buffers; up to 96 are accepted"),
        Case(
            LayoutText.device(groups: [
                LayoutText.group(0, engines: [0, 1])
                    .replacing(#""use_read_buffer_limit":0"#, with: #""use_read_buffer_limit":1"#)
            ]).replacing(#""read_buffer_limit":0"#, with: #""read_buffer_limit":7"#),
            "[0]: Enable Device fails with 0x18: the read buffers of the groups that use read_buffer_limit are "
                + "fewer than 4 for each engine"),
        Case(
            LayoutText.device(groups: [LayoutText.group(0), LayoutText.group(2, engines: [])]),
            "[0]: Enable Device fails with 0x15: group 2 has WQs and no engines; both or neither are accepted"),
        Case(
            LayoutText.device(groups: [LayoutText.group(0), LayoutText.group(1, workQueues: [])]),
            "[0]: Enable Device fails with 0x15: group 1 has engines and no WQs; both or neither are accepted"),
    ]

    @Test(arguments: cases)
    func `A refusal names the place in the file, the value and what is accepted`(_ given: Case) throws {
        let directory = try ConfigurationDirectory()
        _ = try directory.write("layout.conf", given.layout)
        #expect(
            refusal(flags: [.deviceLayout: "%/layout.conf"], in: directory) == "%/layout.conf: " + given.expected)
        // The same words whoever named the file.
        #expect(
            refusal(file: #"{"devices": [{"layout": "layout.conf"}]}"#, in: directory)
                == "%/layout.conf: " + given.expected)
    }

    @Test(arguments: [("", 0), (#"[{"dev":"dsa0",,}]"#, 16), ("[1] 2", 4), (#"[{"dev":"dsa0"}"#, 15)])
    func `What is not JSON is refused by offset`(_ text: String, _ offset: Int) throws {
        let directory = try ConfigurationDirectory()
        _ = try directory.write("layout.conf", text)
        let words = refusal(flags: [.deviceLayout: "%/layout.conf"], in: directory)
        #expect(words.hasPrefix("%/layout.conf: is not valid JSON at byte \(offset): "))
    }

    @Test func `More devices than a daemon may have are refused`() throws {
        let directory = try ConfigurationDirectory()
        let devices = (0...16).map { #"{"dev":"dsa\#($0)"}"# }.joined(separator: ",")
        _ = try directory.write("layout.conf", "[\(devices)]")
        #expect(
            refusal(flags: [.deviceLayout: "%/layout.conf"], in: directory)
                == "--device-layout: %/layout.conf describes 17 devices; 1 to 16 are accepted")
    }

    @Test func `An endless file is refused`() throws {
        let directory = try ConfigurationDirectory()
        #expect(
            refusal(flags: [.deviceLayout: "/dev/zero"], in: directory)
                == "--device-layout: read /dev/zero: File too large (EFBIG)")
    }
}
