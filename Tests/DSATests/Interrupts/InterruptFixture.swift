import DSA
import DSASpec
import PCIe
import Testing

extension DeviceFixture {
    /// A device whose users may request interrupts, with one enabled SWQ.
    ///
    /// - Parameter handleCount: Handles that commands 13 and 14 give; 0 leaves those commands out.
    static func interrupting(
        handleCount: Int = 0, userInterrupts: Bool = true, queue: WorkQueueConfiguration = .shared()
    ) throws -> DeviceFixture {
        var profile = DeviceProfile.dsa1
        profile.engineCount = 1
        if handleCount > 0 {
            profile.general = GeneralCapabilities(rawValue: profile.general.rawValue | 1 << 4)
            profile.interruptHandleCount = handleCount
        }
        let fixture = try DeviceFixture(profile: profile)
        try #require(fixture.device.enableUserInterrupts(userInterrupts) == true)
        try fixture.enable([queue])
        return fixture
    }

    /// Writes an entry's message, permission record and mask as a driver does.
    func program(
        _ vector: InterruptVector, pasid: HostPASID? = DeviceFixture.pasid, isMasked: Bool = false,
        isIgnored: Bool = false
    ) {
        let permission = InterruptPermission(pasid: pasid, isIgnored: isIgnored).rawValue
        let mask: UInt32 = isMasked ? 1 : 0
        let base = Int(vector.index) * 4
        let range: InterruptRegisters = vector.table == .msix ? .messages : .messageStorage
        device.writeInterruptRegister(range, dword: base, value: Self.message(of: vector).address32)
        device.writeInterruptRegister(range, dword: base + 1, value: 0)
        device.writeInterruptRegister(range, dword: base + 2, value: Self.message(of: vector).data)
        switch vector.table {
        case .msix:
            device.writeInterruptRegister(.permissions, dword: Int(vector.index) * 2, value: permission)
            device.writeInterruptRegister(.messages, dword: base + 3, value: mask)
        case .ims:
            device.writeInterruptRegister(.messageStorage, dword: base + 3, value: permission | mask)
        }
    }

    /// What ``program(_:pasid:isMasked:isIgnored:)`` writes into an entry.
    static func message(of vector: InterruptVector) -> InterruptMessage {
        InterruptMessage(
            address: HostPhysicalAddress(rawValue: 0xFEE0_1000 + UInt64(vector.index) * 16),
            data: 0x4000 + UInt32(vector.index))
    }

    /// A No-op with record `slot` that requests an interrupt.
    func interruptingNoOp(
        handle: UInt16, pasid: HostPASID = DeviceFixture.pasid, record slot: Int?
    ) -> Descriptor {
        noOp(pasid: pasid, record: slot).with {
            $0.flags.insert(.requestCompletionInterrupt)
            $0.completionInterruptHandle = handle
        }
    }

    /// Submits a descriptor through the portal of a table and runs the device.
    func submit(_ descriptor: Descriptor, through table: Portal.InterruptTable = .msix) throws {
        let portal = Portal(workQueue: 0, limit: .unlimited, interruptTable: table)
        try #require(device.enqueue(descriptor, to: portal) == .successfulCompletion)
        run()
    }
}

extension InterruptMessage {
    var address32: UInt32 { UInt32(truncatingIfNeeded: address.rawValue) }
}

extension Device {
    /// The interrupts among the effects.
    var interruptsSent: [DeviceInterrupt] {
        effects.compactMap { if case .interrupt(let interrupt) = $0 { interrupt } else { nil } }
    }

    /// The entries that sent them.
    var vectorsSent: [InterruptVector] { interruptsSent.map(\.vector) }
}
