public import Machine

/// A file of the tree that is read or written through the driver.
public enum AttributeReference: Hashable, Sendable {
    /// Of a device.
    case device(Int, DeviceAttribute)
    /// Of a group of a device.
    case group(device: Int, Int, GroupAttribute)
    /// `group_id` of an engine of a device.
    case engine(device: Int, Int)
    /// Of a WQ.
    case workQueue(WorkQueueID, WorkQueueAttribute)
    /// `dev` of the device node of a WQ.
    case nodeNumbers(WorkQueueID)
    /// Of an open file.
    case file(Int, FileAttribute)
    /// `bind` of a driver.
    case bind(BusDriver)
    /// `unbind` of a driver.
    case unbind(BusDriver)
    /// A text that never changes.
    case constant(String)
}

/// The attributes of an open file.
public enum FileAttribute: String, Hashable, Sendable, CaseIterable {
    case pid
    case completionFaults = "cr_faults"
    case completionFaultFailures = "cr_fault_failures"
}

extension Driver {
    /// The mode of the file.
    public func access(of reference: AttributeReference) -> FileAccess {
        switch reference {
        case .device(_, let attribute): attribute.access
        case .group(_, _, let attribute): attribute.access
        case .engine: .readWrite
        case .workQueue(_, let attribute): attribute.access
        case .nodeNumbers, .file, .constant: .readOnly
        case .bind, .unbind: .writeOnly
        }
    }

    /// What a read of the file gives.
    public func show(
        _ reference: AttributeReference, _ machine: borrowing Machine
    ) throws(Errno) -> [UInt8] {
        switch reference {
        case .device(let device, let attribute):
            return Self.line(devices[device].show(attribute, machine))
        case .group(let device, let group, let attribute):
            return devices[device].show(attribute, ofGroup: group).map(Self.line) ?? []
        case .engine(let device, let engine):
            return Self.line(devices[device].showGroup(ofEngine: engine))
        case .workQueue(let id, let attribute):
            var text = try devices[id.device].show(attribute, ofWorkQueue: id.queue, machine)
            text.append(UInt8(ascii: "\n"))
            return text
        case .nodeNumbers(let id):
            guard let minor = workQueue(id).minor else { throw .enodev }
            return Self.line("\(Self.major):\(minor)")
        case .file(let number, let attribute):
            guard let file = file(number) else { throw .enodev }
            switch attribute {
            case .pid: return Self.line("\(file.process ?? 0)")
            case .completionFaults: return Self.line("\(file.completionFaults.handled)")
            case .completionFaultFailures: return Self.line("\(file.completionFaults.failed)")
            }
        case .bind, .unbind:
            throw .eio
        case .constant(let text):
            return Self.line(text)
        }
    }

    private static func line(_ text: String) -> [UInt8] { Array("\(text)\n".utf8) }

    /// One write to the file. Of more than a page the first is taken; of nothing nothing.
    ///
    /// - Precondition: The device it concerns is not busy: ``device(concernedBy:bytes:)``.
    public mutating func store(
        _ bytes: [UInt8], to reference: AttributeReference, machine: inout Machine
    ) -> Progress {
        let taken = bytes.prefix(Self.storeByteCountMax)
        guard !taken.isEmpty else { return .finished(0) }
        let text = KernelText.upToNul(taken)
        do throws(Errno) {
            switch reference {
            case .device(let device, let attribute):
                try withDevice(device) { (kept) throws(Errno) in try kept.store(text, in: attribute, machine) }
            case .group(let device, let group, let attribute):
                try withDevice(device) { (kept) throws(Errno) in
                    try kept.store(
                        text, in: attribute, ofGroup: group, overridesTrafficClasses: false, machine)
                }
            case .engine(let device, let engine):
                try withDevice(device) { (kept) throws(Errno) in try kept.storeGroup(text, ofEngine: engine) }
            case .workQueue(let id, let attribute):
                try withDevice(id.device) { (kept) throws(Errno) in
                    try kept.store(text, in: attribute, ofWorkQueue: id.queue, machine)
                }
            case .bind(let driver):
                return bind(text, to: driver, result: taken.count, machine: &machine)
            case .unbind(let driver):
                return unbind(text, from: driver, result: taken.count, machine: &machine)
            case .nodeNumbers, .file, .constant:
                throw .eio
            }
        } catch { return .failed(error) }
        return .finished(taken.count)
    }

    /// The device that a write concerns, which must not be busy for it.
    public func device(concernedBy reference: AttributeReference, bytes: [UInt8]) -> Int? {
        switch reference {
        case .device(let device, _), .group(let device, _, _), .engine(let device, _): return device
        case .workQueue(let id, _), .nodeNumbers(let id): return id.device
        case .file, .constant: return nil
        case .bind, .unbind:
            switch object(named: KernelText.upToNul(bytes.prefix(Self.storeByteCountMax))) {
            case .device(let device)?: return device
            case .workQueue(let id)?: return id.device
            case .other?, nil: return nil
            }
        }
    }
}
