internal import DSASpec
internal import IDXD
internal import Machine

/// What waits for a device to be free of an earlier request, and what that request does when it ends.
struct DriverJobs {
    /// Called with how the request that is under way ended.
    var completion: ((Progress) -> Void)?
    /// Requests that come after it, the first one first.
    var waiting: [() -> Void] = []
}

extension Server {
    /// Lets the driver do something with a device, after what it does there already.
    ///
    /// - Parameters:
    ///   - start: Begins; may answer that it waits.
    ///   - completion: Called with how it ended, in this call or later.
    func withDriver(
        device: Int, _ start: @escaping (inout Driver, inout Machine) -> Progress,
        completion: @escaping (Progress) -> Void
    ) {
        guard !driver.isBusy(device: device), driverJobs[device].waiting.isEmpty else {
            driverJobs[device].waiting.append { [self] in begin(device: device, start, completion) }
            return
        }
        begin(device: device, start, completion)
    }

    private func begin(
        device: Int, _ start: (inout Driver, inout Machine) -> Progress, _ completion: @escaping (Progress) -> Void
    ) {
        let progress = start(&driver, &machine)
        guard progress != .waits else {
            driverJobs[device].completion = completion
            noteDriverChange(device: device)
            return
        }
        end(progress, device: device, completion)
    }

    /// A command of a device has ended, whoever issued it.
    func resumeDriver(device: Int, after error: CommandError) {
        guard let progress = driver.resume(device: device, after: error, machine: &machine), progress != .waits,
            let completion = driverJobs[device].completion
        else { return }
        driverJobs[device].completion = nil
        end(progress, device: device, completion)
    }

    private func end(_ progress: Progress, device: Int, _ completion: (Progress) -> Void) {
        noteDriverChange(device: device)
        completion(progress)
        guard !driver.isBusy(device: device), !driverJobs[device].waiting.isEmpty else { return }
        driverJobs[device].waiting.removeFirst()()
    }

    /// States or files may have changed.
    private func noteDriverChange(device: Int) {
        announceStates(ofDevice: device)
        deviceFiles.update(driver, machine, device: device)
    }

    /// An admin's command changed a device behind the driver's back.
    func noteForeignChange(device: Int) {
        driver.adoptConfiguration(device: device, machine: machine)
        deviceFiles.update(driver, machine, device: device)
    }
}
