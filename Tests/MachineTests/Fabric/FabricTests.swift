import DSA
import DSASpec
import IOMMU
import PCIe
import Testing
import Virtualization

@testable import Machine

/// The registers of DMWr in a configuration space, found as software finds them.
private enum Register {
    static let deviceCapabilities2 = 0x40 + 0x24
    static let deviceControl = 0x40 + 8
    static let uncorrectableStatus = 0x100 + 4
    static let deviceControl3 = 0x180 + 8
    static let egressBlocking: UInt32 = 1 << 1
    static let egressBlocked: UInt32 = 1 << 27
}

extension MachineFixture {
    /// A switch behind a switch: rp, up0, down0, up1, down1, and a device at down1.
    static let chain: [(name: String, kind: PortKind)] = [
        ("rp", .root), ("up0", .switchUpstream), ("down0", .switchDownstream), ("up1", .switchUpstream),
        ("down1", .switchDownstream),
    ]

    /// A machine with one device at the end of ``chain``, of which port `silent` routes no DMWr.
    static func behindSwitches(silent: Int? = nil) throws -> MachineFixture {
        let fixture = try MachineFixture(deviceCount: 0)
        var fabric = Fabric()
        for (index, port) in chain.enumerated() {
            _ = try fabric.addPort(
                port.name, port.kind, below: index == 0 ? nil : chain[index - 1].name, routesDMWr: index != silent)
        }
        let port = try fabric.attachEndpoint(to: "down1")
        fixture.machine.install(fabric)
        try fixture.addDevice(engineCount: 1, port: port)
        return fixture
    }

    fileprivate func write(_ value: UInt32, _ offset: Int, of target: ConfigurationTarget) throws {
        try machine.writeConfiguration(of: target, value, at: offset, byteCount: 4)
    }

    fileprivate func read(_ offset: Int, of target: ConfigurationTarget) throws -> UInt32 {
        try machine.readConfiguration(of: target, at: offset, byteCount: 4)
    }
}

@Suite("Fabric")
struct FabricTests {
    @Test(arguments: MachineFixture.chain.indices)
    func `D-07: one port that does not route on the path makes the path check false, and ENQCMD gives ZF 1`(
        port: Int
    ) throws {
        let fixture = try MachineFixture.behindSwitches(silent: port)
        #expect(fixture.machine.dmwrPath(toDevice: 0) == .notRouted(port: port))
        let (client, _) = try fixture.makeBoundProcess()
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: client) == .retry)
        #expect(fixture.arrivals == 0)
        for index in MachineFixture.chain.indices {
            #expect(try fixture.read(Register.uncorrectableStatus, of: .port(index)) == 0)
        }
        // Posted writes are no DMWr: a DWQ is as it was.
        _ = fixture.submit(.movdir64b, fixture.noOp(record: nil), on: client.processor, to: .dedicated())
        #expect(fixture.queue(1).counts.accepted == 1)
    }

    @Test(arguments: MachineFixture.chain.indices)
    func `D-07: one port that blocks egress on the path makes the path check false until it is cleared`(
        port: Int
    ) throws {
        let fixture = try MachineFixture.behindSwitches()
        let (client, _) = try fixture.makeBoundProcess()
        #expect(fixture.machine.dmwrPath(toDevice: 0) == .open)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: client) == .accepted)
        try fixture.write(Register.egressBlocking, Register.deviceControl3, of: .port(port))
        // A request to the device enters a switch by its upstream port, and leaves it by another.
        guard MachineFixture.chain[port].kind != .switchUpstream else {
            #expect(fixture.machine.dmwrPath(toDevice: 0) == .open)
            #expect(fixture.enqcmd(fixture.noOp(record: 1), on: client) == .accepted)
            return
        }
        #expect(fixture.machine.dmwrPath(toDevice: 0) == .egressBlocked(port: port))
        #expect(fixture.enqcmd(fixture.noOp(record: 1), on: client) == .retry)
        #expect(fixture.arrivals == 1)
        for index in MachineFixture.chain.indices {
            let status = try fixture.read(Register.uncorrectableStatus, of: .port(index))
            #expect(status == (index == port ? Register.egressBlocked : 0))
        }
        // A written 1 clears the status, a written 0 the control.
        try fixture.write(Register.egressBlocked, Register.uncorrectableStatus, of: .port(port))
        #expect(try fixture.read(Register.uncorrectableStatus, of: .port(port)) == 0)
        try fixture.write(0, Register.deviceControl3, of: .port(port))
        #expect(fixture.machine.dmwrPath(toDevice: 0) == .open)
        #expect(fixture.enqcmd(fixture.noOp(record: 1), on: client) == .accepted)
    }

    @Test func `Ports go where PCI Express has them, and nowhere else`() throws {
        var fabric = Fabric()
        _ = try fabric.addPort("rp", .root, below: nil, routesDMWr: true)
        _ = try fabric.addPort("up", .switchUpstream, below: "rp", routesDMWr: true)
        _ = try fabric.addPort("down", .switchDownstream, below: "up", routesDMWr: true)
        func error(_ name: String, _ kind: PortKind, _ parent: String?) -> FabricError? {
            var copy = fabric
            do throws(FabricError) {
                _ = try copy.addPort(name, kind, below: parent, routesDMWr: true)
                return nil
            } catch { return error }
        }
        #expect(error("rp", .root, nil) == .nameTaken)
        #expect(error("x", .root, "rp") == .misplaced)
        #expect(error("x", .switchUpstream, nil) == .misplaced)
        #expect(error("x", .switchUpstream, "up") == .misplaced)
        #expect(error("x", .switchUpstream, "rp") == .linkTaken)
        #expect(error("x", .switchDownstream, "rp") == .misplaced)
        #expect(error("x", .switchDownstream, "nothing") == .unknownPort)
        #expect(error("x", .switchDownstream, "up") == nil)
        #expect(error("x", .switchUpstream, "down") == nil)
        func attachError(_ port: String) -> FabricError? {
            do throws(FabricError) {
                _ = try fabric.attachEndpoint(to: port)
                return nil
            } catch { return error }
        }
        #expect(attachError("up") == .misplaced)
        #expect(attachError("rp") == .linkTaken)
        #expect(attachError("nothing") == .unknownPort)
        #expect(attachError("down") == nil)
        #expect(attachError("down") == .linkTaken)
    }
}

@Suite("Configuration space")
struct ConfigurationSpaceTests {
    @Test func `An endpoint has the capabilities of Scalable work submission, each found by its list`() throws {
        let fixture = try MachineFixture()
        func dword(_ offset: Int) throws -> UInt32 { try fixture.read(offset, of: .device(0)) }
        #expect(try dword(0) == 0x0B25_8086)
        #expect(try dword(8) >> 8 == 0x08_8000)
        #expect(try dword(4) & 1 << 20 != 0)
        var identifiers: [UInt32] = []
        var pointer = Int(try dword(0x34) & 0xFF)
        while pointer != 0 {
            identifiers.append(try dword(pointer) & 0xFF)
            pointer = Int(try dword(pointer) >> 8 & 0xFF)
        }
        #expect(identifiers == [0x10, 0x11])
        identifiers = []
        pointer = 0x100
        while pointer != 0 {
            identifiers.append(try dword(pointer) & 0xFFFF)
            pointer = Int(try dword(pointer) >> 20)
        }
        #expect(Set(identifiers) == [0x01, 0x2F, 0x0F, 0x1B, 0x13] && identifiers.count == 5)
        // An integrated endpoint (type 9) that completes DMWr of up to 64 bytes and routes none.
        #expect(try dword(0x40) >> 20 & 0xF == 9)
        #expect(try dword(Register.deviceCapabilities2) == 1 << 28)
        #expect(try dword(0x184) == 0)
        // PASID: privileged mode, 20 bits; both enabled. ATS enabled. Page requests enabled.
        #expect(try dword(0x164) == 0x0005_1404)
        #expect(try dword(0x154) >> 31 == 1)
        #expect(try dword(0x174) & 1 == 1 && dword(0x17C) == 512)
        // MSI-X: table size less 1, and enabled.
        #expect(try dword(0x80) >> 16 == 0x8008)
    }

    @Test func `A port routes DMWr, and reports what it blocks`() throws {
        let fixture = try MachineFixture.behindSwitches(silent: 1)
        func dword(_ offset: Int, _ port: Int) throws -> UInt32 { try fixture.read(offset, of: .port(port)) }
        for (index, port) in MachineFixture.chain.enumerated() {
            #expect(try dword(0x40, index) >> 20 & 0xF == UInt32(port.kind.rawValue))
            #expect(try dword(0x184, index) == (index == 1 ? 0 : 1))
            #expect(try dword(Register.deviceCapabilities2, index) == 0)
        }
        // Without routing there is nothing to block.
        try fixture.write(.max, Register.deviceControl3, of: .port(1))
        #expect(try dword(Register.deviceControl3, 1) == 1)
        try fixture.write(.max, Register.deviceControl3, of: .port(0))
        #expect(try dword(Register.deviceControl3, 0) == 3)
        // The capability and the mask and severity of the error that can be.
        try fixture.write(.max, 0x184, of: .port(0))
        #expect(try dword(0x184, 0) == 1)
        try fixture.write(.max, 0x108, of: .port(0))
        #expect(try dword(0x108, 0) == Register.egressBlocked)
    }

    @Test func `Every naturally aligned access reads its part, and others are refused`() throws {
        let fixture = try MachineFixture()
        func read(_ offset: Int, _ count: Int) throws(ConfigurationAccessError) -> UInt32 {
            try fixture.machine.readConfiguration(of: .device(0), at: offset, byteCount: count)
        }
        #expect(try read(0, 2) == 0x8086 && read(2, 2) == 0x0B25 && read(1, 1) == 0x80 && read(4095, 1) == 0)
        #expect(throws: ConfigurationAccessError.unsupportedSize) { try read(0, 3) }
        #expect(throws: ConfigurationAccessError.misaligned) { try read(2, 4) }
        #expect(throws: ConfigurationAccessError.outOfRange) { try read(4096, 1) }
        // A write of one byte leaves the others: Bus Master Enable is in the first.
        try fixture.machine.writeConfiguration(of: .device(0), 0xFF, at: 5, byteCount: 1)
        #expect(try read(4, 2) == 0x0006)
    }

    @Test func `What software writes the function obeys, and what it sets otherwise shows`() throws {
        let fixture = try MachineFixture()
        #expect(fixture.machine.devices[0].function.isPASIDEnabled)
        // PASID Enable 0 under a running device.
        try fixture.write(0, 0x164, of: .device(0))
        #expect(!fixture.machine.devices[0].function.isPASIDEnabled)
        #expect(fixture.machine.devices[0].state == .halted)
        #expect(fixture.softwareError.code == .configurationChanged)
        var settings = fixture.machine.devices[0].function
        settings.isPASIDEnabled = true
        settings.isATSEnabled = false
        fixture.machine.configureFunction(settings, device: 0)
        #expect(try fixture.read(0x164, of: .device(0)) & 1 << 16 != 0)
        #expect(try fixture.read(0x154, of: .device(0)) >> 31 == 0)
    }

    @Test func `D-11: a function level reset abandons every descriptor and leaves the function as after power-on`()
        throws
    {
        let fixture = try MachineFixture()
        let (client, _) = try fixture.makeBoundProcess()
        fixture.holdEngines()
        for slot in 0..<5 { #expect(fixture.enqcmd(fixture.noOp(record: slot), on: client) == .accepted) }
        try fixture.write(1 << 15, Register.deviceControl, of: .device(0))
        fixture.run()
        #expect(fixture.machine.totals.accepted == 5 && fixture.machine.totals.abandoned == 5)
        #expect(fixture.machine.inFlight == 0)
        #expect((0..<5).allSatisfy { client.ram.status($0) == .none })
        #expect(fixture.machine.devices[0].state == .disabled)
        #expect(fixture.machine.devices[0].function == FunctionSettings())
        #expect(fixture.queue().configuration.size == 0 && fixture.queue().state == .disabled)
        // It reads 0, and what software had enabled is off.
        #expect(try fixture.read(Register.deviceControl, of: .device(0)) & 1 << 15 == 0)
        #expect(try fixture.read(0x164, of: .device(0)) >> 16 == 0)
        #expect(fixture.enqcmd(fixture.noOp(record: 0), on: client) == .retry)
    }

    @Test func `A function level reset ends a halt that waits for one`() throws {
        let fixture = try MachineFixture()
        fixture.machine.halt(device: 0, until: .functionLevel)
        #expect(fixture.machine.execute(.resetDevice, device: 0) == .completed(.deviceHalted))
        try fixture.write(1 << 15, Register.deviceControl, of: .device(0))
        fixture.run()
        #expect(fixture.machine.devices[0].state == .disabled)
        // A driver takes it over anew.
        fixture.machine.configureFunction(fixture.machine.devices[0].profile.functionSettings, device: 0)
        #expect(fixture.machine.execute(.enableDevice, device: 0) == .completed(.none))
    }
}
