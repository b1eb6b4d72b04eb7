import DSA
import DSASpec
import IDXD
import IOMMU
import Machine
import PCIe
import Testing

/// What a system call answered.
enum Answer: Equatable, CustomTestStringConvertible {
    case ok
    case text(String)
    case errno(Errno)
    case waits

    var testDescription: String {
        switch self {
        case .ok: "success"
        case .text(let text): text
        case .errno(let errno): "error \(errno.rawValue)"
        case .waits: "waiting"
        }
    }
}

/// How far a device has come.
enum Stage: Sendable {
    /// Nothing was written.
    case blank
    /// A shared and a dedicated WQ are configured.
    case configured
    /// The device is bound, its WQs are not.
    case enabled
    /// The WQs are bound too.
    case bound
}

/// A host with devices and their driver, whose files are used by name: `dsa0/state`, `wq0.1/size`, `group0.0/engines`,
/// `engine0.2/group_id`, `idxd/bind`.
@safe
final class Host {
    var machine: Machine
    var driver = Driver()

    init(_ profile: DeviceProfile = .dsa1, deviceCount: Int = 1) throws {
        let memory = PhysicalMemory(frameCount: 512)
        machine = try Self.made(Machine(memory: memory, hostQuota: 100))
        for number in 0..<deviceCount {
            let requester = try #require(RequesterID(bus: 0x6A, device: UInt8(number + 1), function: 0))
            let index = machine.addDevice(profile: profile, requester: requester)
            driver.probe(name: "dsa\(number)", index: try #require(index), machine: machine)
        }
    }

    private static func made(_ machine: consuming Machine?) throws -> Machine {
        guard let machine else { preconditionFailure("a machine needs a frame and a quota") }
        return machine
    }

    /// A device with WQ 0 shared and WQ 1 dedicated, both of size 16, and all engines, in group 0.
    static func configured(_ profile: DeviceProfile = .dsa1) throws -> Host {
        let host = try Host(profile)
        for engine in 0..<profile.engineCount { host.require("0", in: "engine0.\(engine)/group_id") }
        for (queue, mode) in ["shared", "dedicated"].enumerated() {
            let wq = "wq0.\(queue)"
            host.require("0", in: "\(wq)/group_id")
            host.require("16", in: "\(wq)/size")
            host.require(mode, in: "\(wq)/mode")
            host.require("10", in: "\(wq)/priority")
            if queue == 0 { host.require("16", in: "\(wq)/threshold") }
            host.require("user", in: "\(wq)/type")
            host.require("app\(queue)", in: "\(wq)/name")
            host.require("user", in: "\(wq)/driver_name")
        }
        return host
    }

    /// The same, with device and WQs bound.
    static func bound(_ profile: DeviceProfile = .dsa1) throws -> Host {
        let host = try configured(profile)
        host.require("dsa0", in: "idxd/bind")
        host.require("wq0.0", in: "user/bind")
        host.require("wq0.1", in: "user/bind")
        return host
    }

    /// A host with a device that has come so far.
    static func at(_ stage: Stage, _ profile: DeviceProfile) throws -> Host {
        switch stage {
        case .blank: return try Host(profile)
        case .configured: return try configured(profile)
        case .enabled:
            let host = try configured(profile)
            host.require("dsa0", in: "idxd/bind")
            return host
        case .bound: return try bound(profile)
        }
    }

    /// The file's full path.
    static func path(_ file: String) -> String {
        let parts = file.split(separator: "/")
        let isDriver = parts.last == "bind" || parts.last == "unbind"
        return "sys/bus/dsa/\(isDriver ? "drivers" : "devices")/\(file)"
    }

    private func reference(_ file: String) throws(Errno) -> AttributeReference {
        guard case .attribute(let reference, _) = try DeviceTree(driver.entries()).entry(at: Self.path(file)).kind
        else { throw .eisdir }
        return reference
    }

    /// The text of a file, without the newline at its end.
    func read(_ file: String) -> Answer {
        do throws(Errno) {
            let text = String(decoding: try driver.show(try reference(file), machine), as: UTF8.self)
            guard text.hasSuffix("\n") else { return .text(text) }
            return .text(String(text.dropLast()))
        } catch { return .errno(error) }
    }

    func write(_ text: String, in file: String) -> Answer { write(Array(text.utf8), in: file) }

    func write(_ bytes: [UInt8], in file: String) -> Answer {
        do throws(Errno) {
            switch driver.store(bytes, to: try reference(file), machine: &machine) {
            case .finished(let count):
                #expect(count == min(bytes.count, Driver.storeByteCountMax))
                return .ok
            case .failed(let error): return .errno(error)
            case .waits: return .waits
            }
        } catch { return .errno(error) }
    }

    func require(_ text: String, in file: String, _ location: SourceLocation = #_sourceLocation) {
        let answer = write(text, in: file)
        #expect(answer == .ok, "\(text) > \(file)", sourceLocation: location)
    }

    func expect(_ file: String, _ text: String, _ location: SourceLocation = #_sourceLocation) {
        #expect(read(file) == .text(text), "\(file)", sourceLocation: location)
    }

    /// `cmd_status` of the first device.
    var commandStatus: String {
        guard case .text(let text) = read("dsa0/cmd_status") else { return "" }
        return text
    }

    /// Tells the driver of each command that ended, and returns what became of the request that waits on device 0.
    func resume() -> Progress? {
        var progress: Progress?
        let effects = machine.effects
        machine.effects.removeAll()
        for case .commandCompleted(let device, let error) in effects {
            progress = driver.resume(device: device, after: error, machine: &machine) ?? progress
        }
        return progress
    }
}

/// A change of the profile that a test begins with.
struct ProfileChange: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let profile: DeviceProfile

    init(_ name: String, _ base: DeviceProfile = .dsa1, _ change: (inout DeviceProfile) -> Void = { _ in }) {
        testDescription = name
        var profile = base
        change(&profile)
        self.profile = profile
    }

    static let plain = ProfileChange("a DSA 1.0 part")
    static let second = ProfileChange("a DSA 2.0 part", .dsa2)
    static let fixed = ProfileChange("a part without Configuration Support") {
        $0.general = GeneralCapabilities(rawValue: $0.general.rawValue & ~(1 << 31))
    }
    static let withoutBlockOnFault = ProfileChange("a part without Block on Fault") {
        $0.general = GeneralCapabilities(rawValue: $0.general.rawValue & ~1)
    }
    static let withoutPASID = ProfileChange("a host without PASIDs") { $0.isPASIDEnabled = false }
    static let withoutPrivilege = ProfileChange("a host without privileged mode") {
        $0.isPrivilegedModeEnabled = false
    }
    static let withoutShared = ProfileChange("a part without shared WQs") { $0.workQueueFeatures.remove(.shared) }
    static let withoutOccupancy = ProfileChange("a part that shows no occupancy") {
        $0.workQueueFeatures.remove(.occupancy)
    }
    static let withoutGlobalLimit = ProfileChange("a part without a limit for all groups") {
        $0.groupFeatures.remove(.globalReadBufferLimit)
    }
}
