import DSA
import DSASpec
import PCIe
import Testing

/// A generation 2 device whose event log lies in the memory of the fixture.
struct EventLogFixture {
    /// The first page of the ring.
    static let ringPage = 40

    let fixture: DeviceFixture

    /// - Parameter size: Entries of the ring, in ``DeviceFixture/pasid``'s address space.
    init(
        size: UInt16 = EventLogConfiguration.sizeMin, engineCount: Int = 1,
        queues: [WorkQueueConfiguration] = [.shared()], general: GeneralCapabilities = .dsa2,
        hasPageRequests: Bool = false,
        _ change: (inout EventLogConfiguration) -> Void = { _ in }
    ) throws {
        var profile = DeviceProfile.dsa2
        profile.engineCount = engineCount
        profile.general = general
        fixture = try DeviceFixture(profile: profile)
        if hasPageRequests { try #require(fixture.device.setPageRequests(isEnabled: true, allocation: 16) == true) }
        var configuration = EventLogConfiguration()
        configuration.isPASIDEnabled = true
        configuration.pasid = DeviceFixture.pasid
        configuration.base = LinearAddress(rawValue: fixture.page(Self.ringPage))
        configuration.size = size
        change(&configuration)
        try #require(fixture.device.configure(configuration) == true)
        try #require(fixture.device.enableEventLog(true) == true)
        try fixture.enable(queues)
    }

    var status: EventLogStatus { fixture.device.eventLogStatus }

    /// Entry `index` of the ring, by entries of 64 bytes.
    func entry(_ index: Int) -> EventLogEntry {
        let bytes = fixture.read(64, at: fixture.page(Self.ringPage) + UInt64(index * 64))
        return unsafe bytes.withUnsafeBytes { unsafe EventLogEntry(loading: $0.baseAddress!) }
    }

    /// The entries between Head and Tail.
    var entries: [EventLogEntry] {
        (Int(status.head)..<Int(status.tail)).map { entry($0) }
    }

    /// Advances Head to Tail.
    func readAll() {
        var value = EventLogStatus()
        value.head = status.tail
        fixture.device.write(value)
    }

    /// A descriptor whose opcode no device knows, without a record: an error that only an event can report.
    func broken(pasid: HostPASID = DeviceFixture.pasid) -> Descriptor {
        fixture.descriptor(Opcode(rawValue: 0x3F), pasid: pasid, record: nil)
    }

    /// A No-op whose record lies in `page`.
    func noOp(recordIn page: Int, flags: DescriptorFlags = []) -> Descriptor {
        var descriptor = fixture.descriptor(.noOp, record: 0, flags: flags)
        descriptor.completionRecordAddress = LinearAddress(rawValue: fixture.page(page))
        return descriptor
    }

    /// Submits to WQ 0 and lets the engines work.
    func run(_ descriptors: Descriptor...) throws {
        for descriptor in descriptors { try fixture.enqueue(descriptor) }
        fixture.run()
    }
}
