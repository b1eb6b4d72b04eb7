import DSA
import DSASpec
import PCIe
import Testing

/// A change to a WQCFG entry that could be enabled, and what Enable WQ says to it (dsa-device 6.4).
struct EntryRefusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let error: UInt32
    let hasPageRequests: Bool
    let change: @Sendable (inout WorkQueueConfiguration, inout DeviceProfile) -> Void

    init(
        _ name: String, _ error: UInt32, hasPageRequests: Bool = false,
        _ change: @escaping @Sendable (inout WorkQueueConfiguration, inout DeviceProfile) -> Void
    ) {
        self.hasPageRequests = hasPageRequests
        testDescription = name
        self.error = error
        self.change = change
    }

    static let all = [
        EntryRefusal("as it is", 0) { _, _ in },
        EntryRefusal("priority 0 on a device without priorities", 0) { queue, profile in
            profile.workQueueFeatures.remove(.priority)
            queue.priority = 0
        },
        EntryRefusal("shared, which is unsupported", 0x24) { _, profile in profile.workQueueFeatures.remove(.shared) },
        EntryRefusal("dedicated, which is unsupported", 0x24) { queue, profile in
            profile.workQueueFeatures.remove(.dedicated)
            queue.mode = .dedicated
        },
        EntryRefusal("BOF without page requests", 0x25) { queue, _ in queue.blockOnFaultEnable = true },
        EntryRefusal("BOF with page requests", 0, hasPageRequests: true) { queue, _ in
            queue.blockOnFaultEnable = true
        },
        EntryRefusal("BOF without GENCAP bit 0", 0x25, hasPageRequests: true) { queue, profile in
            profile.general = GeneralCapabilities(rawValue: profile.general.rawValue & ~1)
            queue.blockOnFaultEnable = true
        },
        EntryRefusal("BOF with PRS Disable", 0x25, hasPageRequests: true) { queue, profile in
            profile.workQueueFeatures.insert(.prsDisable)
            queue.blockOnFaultEnable = true
            queue.prsDisable = true
        },
        EntryRefusal("a list exponent on a device without lists", 0x27) { queue, _ in queue.maximumListShift = 1 },
        EntryRefusal("the occupancy interrupt without WQCAP bit 53", 0x2B) { queue, profile in
            profile.workQueueFeatures.remove(.occupancyInterrupt)
            queue.occupancyInterrupt.isEnabled = true
        },
        EntryRefusal("the occupancy interrupt with a handle beyond the table", 0x2B) { queue, _ in
            queue.occupancyInterrupt.isEnabled = true
            queue.occupancyInterrupt.handle = 0xFFFF
        },
        EntryRefusal("an occupancy handle that nothing uses", 0) { queue, _ in
            queue.occupancyInterrupt.handle = 0xFFFF
        },
        EntryRefusal("ATS Disable without WQCAP bit 50", 0x2C) { queue, _ in queue.atsDisable = true },
        EntryRefusal("ATS Disable", 0) { queue, profile in
            profile.workQueueFeatures.insert(.atsDisable)
            queue.atsDisable = true
        },
        EntryRefusal("OPCFG with an operation that OPCAP lacks", 0x2D) { queue, profile in
            profile.workQueueFeatures.insert(.operationConfiguration)
            queue.operations = OpcodeSet(bits: 1 << 63 | 1)
        },
        EntryRefusal("OPCFG with nothing", 0) { queue, profile in
            profile.workQueueFeatures.insert(.operationConfiguration)
            queue.operations = OpcodeSet(bits: 0)
        },
        EntryRefusal("PRS Disable without WQCAP bit 55", 0x2E) { queue, _ in queue.prsDisable = true },
        EntryRefusal("PRS Disable", 0) { queue, profile in
            profile.workQueueFeatures.insert(.prsDisable)
            queue.prsDisable = true
        },
    ]
}

@Suite("Enable WQ by register")
struct EnableWorkQueueTests {
    @Test(arguments: EntryRefusal.all)
    func `Enable WQ checks what table 6.4 lists`(row: EntryRefusal) throws {
        var profile = DeviceProfile.dsa1
        var wanted = WorkQueueConfiguration.shared()
        row.change(&wanted, &profile)
        let fixture = try DeviceFixture(profile: profile)
        try #require(fixture.device.setPageRequests(isEnabled: row.hasPageRequests, allocation: 1) == true)
        let entry = fixture.workQueueOffset(0)
        for dword in 0..<profile.workQueueCapabilities.entryByteCount / 4 {
            fixture.write32(entry + dword * 4, wanted.dword(dword, supported: profile.operations))
        }
        fixture.write64(fixture.groupOffset(0), 1)
        fixture.write64(fixture.groupOffset(0) + 32, 1)
        try #require(fixture.command(1) == 0)
        #expect(fixture.command(6, 0) == row.error)
        #expect(fixture.read32(entry + 24) >> 30 == (row.error == 0 ? 1 : 0))
    }

    @Test func `An operation that OPCFG leaves out ends with 0x10`() throws {
        var profile = DeviceProfile.dsa1
        profile.workQueueFeatures.insert(.operationConfiguration)
        let fixture = try DeviceFixture(profile: profile)
        var wanted = WorkQueueConfiguration.shared()
        wanted.operations = OpcodeSet(bits: 1 << 3)
        try fixture.enable([wanted])
        try fixture.enqueue(fixture.noOp(record: 0))
        try fixture.enqueue(
            fixture.descriptor(
                .memoryMove, record: 1, source: fixture.page(20), destination: fixture.page(30), size: 8))
        fixture.run()
        #expect(fixture.status(0) == .unsupportedOperation)
        #expect(fixture.status(1) == .success)
    }

    @Test func `GENCFG bit 12 lets users request interrupts`() throws {
        for isOn in [false, true] {
            let fixture = try DeviceFixture()
            if isOn { fixture.write32(.generalConfiguration, 0x1060) }
            try fixture.enable([.shared()])
            try fixture.enqueue(
                fixture.noOp(record: 0).with {
                    $0.flags.insert(.requestCompletionInterrupt)
                    $0.completionInterruptHandle = 0xFFFF
                })
            fixture.run()
            #expect(fixture.status(0) == (isOn ? .invalidInterruptHandle : .invalidFlags))
        }
    }
}
