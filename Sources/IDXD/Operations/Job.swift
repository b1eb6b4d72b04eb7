internal import DSA
public import DSASpec
public import Machine
internal import PCIe

/// What a request still has to do with a device: commands, which may wait for descriptors, and what follows from them.
struct Job: Sendable {
    enum Step: Sendable {
        /// Issues a command, unless the state makes it needless.
        ///
        /// - Parameter failure: What the request fails with when the command does; `nil` goes on.
        case command(DeviceCommand, failure: Errno?)
        /// Changes what the driver keeps, or what the device is configured with.
        case change(Change)
    }

    enum Change: Sendable {
        case deviceBound
        case deviceUnbound
        case workQueueBound(Int, BusDriver)
        case workQueueUnbound(Int)
        case typeCleared(Int)
        /// The PASID of a dedicated WQ.
        case pasid(Int, HostPASID?)
        case fileOpened(Int)
        case fileClosed(Int)
        case fileAbandoned(Int)
    }

    /// What is left, the next one last.
    var steps: [Step]
    /// What a failure leaves to do.
    var undo: [Step] = []
    /// What the system call returns if nothing fails.
    let result: Int
    /// The request has failed, and what is left is its undo.
    var failure: Errno?
    /// The device carries out a command of this job, whose failure is this.
    var isCommandActive = false
    var failureOfCommand: Errno?

    /// - Parameter steps: The first one first.
    init(_ steps: [Step], undo: [Step] = [], result: Int) {
        self.steps = steps.reversed()
        self.undo = undo.reversed()
        self.result = result
    }

    mutating func note(_ error: CommandError, failure: Errno?) {
        guard error != .none, let failure else { return }
        self.failure = failure
        steps = undo
        undo = []
    }
}

extension Driver {
    /// Begins what is left to do, and takes it as far as it goes.
    mutating func run(_ job: Job, device: Int, machine: inout Machine) -> Progress {
        keep(job, device: device)
        return advance(device: device, machine: &machine)
    }

    /// A command of the device has ended, whoever issued it.
    ///
    /// - Returns: What became of the request that waits there; `nil` when none does.
    public mutating func resume(device: Int, after error: CommandError, machine: inout Machine) -> Progress? {
        guard var job = devices[device].job else { return nil }
        if job.isCommandActive {
            job.isCommandActive = false
            finish(error, of: &job, device: device)
        }
        keep(job, device: device)
        return advance(device: device, machine: &machine)
    }

    private mutating func advance(device: Int, machine: inout Machine) -> Progress {
        guard var job = devices[device].job else { preconditionFailure("a request is under way") }
        while let step = job.steps.popLast() {
            switch step {
            case .change(let change):
                apply(change, device: device, machine: &machine)
            case .command(let command, let failure):
                guard applies(command, device: device, machine: machine) else { continue }
                guard !machine.devices[device].commandStatus.isActive else {
                    // Somebody else's: this one comes behind it.
                    job.steps.append(step)
                    keep(job, device: device)
                    return .waits
                }
                job.failureOfCommand = failure
                switch machine.execute(command, device: device) {
                case .completed(let error, _):
                    finish(error, of: &job, device: device)
                case .active:
                    job.isCommandActive = true
                    keep(job, device: device)
                    return .waits
                case .lost:
                    preconditionFailure("no other command is active")
                }
            }
        }
        keep(nil, device: device)
        lookAtConfiguration(device: device, machine: machine)
        return job.failure.map { .failed($0) } ?? .finished(job.result)
    }

    private mutating func keep(_ job: Job?, device: Int) {
        withDevice(device) { $0.job = job }
    }

    /// Every command leaves its end in `cmd_status`.
    private mutating func finish(_ error: CommandError, of job: inout Job, device: Int) {
        withDevice(device) { $0.commandStatus = CommandStatusCode(rawValue: UInt32(error.rawValue)) }
        job.note(error, failure: job.failureOfCommand)
    }

    /// The driver issues commands only where they mean something.
    private func applies(_ command: DeviceCommand, device: Int, machine: borrowing Machine) -> Bool {
        switch command {
        case .disableDevice:
            return machine.devices[device].state == .enabled
        case .enableWorkQueue(let queue):
            return machine.devices[device].workQueues[queue].state == .disabled
        case .disableWorkQueues(let mask), .drainWorkQueues(let mask), .resetWorkQueues(let mask):
            return machine.devices[device].workQueues[mask.trailingZeroBitCount].state == .enabled
        default:
            return true
        }
    }

    private mutating func apply(_ change: Job.Change, device: Int, machine: inout Machine) {
        switch change {
        case .deviceBound:
            withDevice(device) {
                $0.isBound = true
                $0.commandStatus = .success
            }
        case .deviceUnbound:
            withDevice(device) { $0.clearAfterReset() }
        case .workQueueBound(let queue, let driver):
            completeBind(WorkQueueID(device: device, queue: queue), to: driver)
        case .workQueueUnbound(let queue):
            withDevice(device) { $0.workQueues[queue].clearAfterReset(profile: $0.profile) }
        case .typeCleared(let queue):
            withDevice(device) { $0.workQueues[queue].type = .none }
        case .pasid(let queue, let pasid):
            devices[device].write(pasid: pasid, toWorkQueue: queue, machine: &machine)
        case .fileOpened(let file):
            completeOpen(file)
        case .fileClosed(let file):
            completeClose(file)
        case .fileAbandoned(let file):
            abandonOpen(file)
        }
    }
}
