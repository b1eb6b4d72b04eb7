internal import DSA
public import DSASpec
public import Machine
internal import PCIe

/// A WQ of a device.
public struct WorkQueueID: Hashable, Sendable {
    /// The device's place in the machine.
    public let device: Int
    /// The WQ's index.
    public let queue: Int

    /// The WQ of this index on the device at this place.
    public init(device: Int, queue: Int) {
        self.device = device
        self.queue = queue
    }
}

/// How far a request has come.
public enum Progress: Hashable, Sendable {
    /// The system call returns this: for a write, the bytes taken.
    case finished(Int)
    /// The system call fails.
    case failed(Errno)
    /// The driver waits for a command of the device; ``Driver/resume(device:after:machine:)`` goes on.
    case waits
}

/// The Linux idxd driver as its users see it (dsa-device 8): attributes of sysfs, binding, device nodes.
///
/// It has every device of a machine, and reaches them through their registers and commands. One request at a time may
/// wait on a device; others that change it come after: ``isBusy(device:)``.
public struct Driver: Sendable {
    /// By their place in the machine.
    public private(set) var devices: [DriverDevice] = []
    /// By number; `nil` where a number is free.
    var files: [OpenFile?] = []

    /// The major number of the device nodes. Linux hands out none below 384 and above 254, so that no other device of a
    /// host has it.
    public static let major = 383
    /// Everything there is of a `store`: a page.
    public static let storeByteCountMax = 4096

    /// A driver without devices.
    public init() {}

    /// Takes a device over that was plugged in: nothing is bound, everything has its default.
    ///
    /// - Parameters:
    ///   - name: What the host calls the device; `dsaN` with a free N is kept, another becomes one.
    ///   - index: The device's place in the machine, which is the next of this driver.
    public mutating func probe(name: String, index: Int, machine: borrowing Machine) {
        precondition(index == devices.count, "devices are taken over in their order in the machine")
        let taken = Set(devices.map(\.number))
        var number = Self.number(in: name).flatMap { taken.contains($0) ? nil : $0 }
        if number == nil { number = (0...).first { !taken.contains($0) } }
        devices.append(
            DriverDevice(
                number: number ?? index, index: index, profile: machine.devices[index].profile,
                requester: machine.devices[index].requester))
        lookAtConfiguration(device: index, machine: machine)
    }

    /// N of `dsaN`, written without leading zeros.
    static func number(in name: String) -> Int? {
        guard name.hasPrefix("dsa"), let number = Int(name.dropFirst(3)), name == "dsa\(number)", number >= 0 else {
            return nil
        }
        return number
    }

    /// Changes what is kept of a device.
    mutating func withDevice<Failure: Error>(
        _ device: Int, _ body: (inout DriverDevice) throws(Failure) -> Void
    ) throws(Failure) {
        try body(&devices[device])
    }

    /// Whether a request waits on the device, so that others that change it have to wait too.
    public func isBusy(device: Int) -> Bool { devices[device].job != nil }

    /// Captures what SWERROR of a device took or lost (dsa-device 8.7). The register keeps it, so that it can be seen
    /// there too, until somebody clears it.
    public mutating func capture(_ error: SoftwareError, device: Int) {
        devices[device].softwareError = error
    }

    /// Sets what `cmd_status` shows.
    mutating func setCommandStatus(_ status: CommandStatusCode, device: Int) {
        devices[device].commandStatus = status
    }

    /// Forgets what was captured.
    public mutating func forgetSoftwareError(device: Int) {
        devices[device].softwareError = SoftwareError()
    }
}

// MARK: What the device itself shows

extension DriverDevice {
    /// The driver counts the device as enabled: its command was issued and nothing halted it.
    func isEnabled(_ machine: borrowing Machine) -> Bool { machine.devices[index].state == .enabled }

    func isDisabled(_ queue: Int, _ machine: borrowing Machine) -> Bool {
        machine.devices[index].workQueues[queue].state == .disabled
    }

    /// PASIDs of users are usable.
    func isPASIDEnabled(_ machine: borrowing Machine) -> Bool { machine.devices[index].function.isPASIDEnabled }

    /// Shared WQs are usable.
    func supportsShared(_ machine: borrowing Machine) -> Bool {
        profile.workQueueFeatures.contains(.shared) && isPASIDEnabled(machine)
    }
}
