internal import DSA
internal import DSASpec
internal import History
internal import IDXD
internal import IOMMU
internal import Logging
internal import Machine
internal import PCIe
internal import Platform
internal import Protocol
internal import ProtocolMessages

/// The loop and everything it owns: the machine, the sessions, the clients' spaces. One thread, no lock.
///
/// Each turn reads what the sockets have, carries the requests out, lets the devices work, and writes the replies.
/// Extensions of this class hold the parts: sessions, commands, bindings, teardown.
@safe
final class Server {
    let configuration: DaemonConfiguration
    let daemonLog: DaemonLog
    let log: Logger
    /// Held for the life of the daemon: one daemon per state directory.
    private let lock: LockFile
    var machine: Machine
    /// The Linux driver of the devices, as its users see it.
    var driver = Driver()
    /// By device.
    var driverJobs: [DriverJobs]
    /// The tree of sysfs and the device nodes.
    let deviceFiles: DeviceFiles
    /// By number.
    var workQueueFiles: [Int: WorkQueueFile] = [:]
    /// The mapping that holds the machine's page and PASID tables.
    private let frames: MemoryMapping
    let deviceNames: [String]
    let history: HistoryRecorder
    let mailbox: Mailbox
    let engineThreads: EngineThreads
    /// Windows that a step hands out together.
    var readyWindows: [Machine.ReadyWindow] = []
    let programWatch: ProgramWatch

    let poller: Poller
    var listeners: [ListeningSocket]
    var reserve: DescriptorReserve
    let signals: Signals
    var notifier: ServiceNotifier
    let reload: () throws -> DaemonConfiguration

    var sessions: [Session.ID: Session] = [:]
    /// By the low bits of the poll token, so that the hot path needs no hash.
    var sessionSlots: [Session?] = []
    var freeSlots: [Int] = []
    var nextSession: Session.ID = 1
    var dirtySessions: [Session] = []
    /// Sessions whose input waits although their socket may have nothing new.
    var resumedSessions: [Session] = []
    let readBuffer: UnsafeMutableBufferPointer<UInt8>
    var hot = HotRequest()
    /// Rings that the loop looks at in every turn.
    var polledRings: [Ring] = []
    /// Submissions since the devices last worked.
    var submissionsSinceStep = 0

    var memoryAccounts: [ClientIdentity: MemoryAccount] = [:]
    var processes: [UInt32: ClientSpace] = [:]
    var vms: [UInt32: ClientSpace] = [:]
    var teardowns: [Teardown] = []
    var unbindContinuations: [BindingToken: () -> Void] = [:]
    var quiesceContinuations: [UInt64: () -> Void] = [:]
    var drainContinuations: [UInt64: () -> Void] = [:]
    var commandContinuations: [Int: (CommandError) -> Void] = [:]
    /// By device.
    var announcedStates: [DeviceStates] = []
    var queryContinuations: [UInt64: (HistoryAnswer) -> Void] = [:]
    var nextToken: UInt64 = 1
    /// Who is told of what an entry of an interrupt table sends.
    var interruptAttachments: [InterruptSource: [InterruptAttachment]] = [:]
    /// Those with interrupts that have not been told.
    var raisedInterrupts: [InterruptAttachment] = []
    /// Made when the first client passes an eventfd.
    var eventSignaller: EventSignaller?
    var memoryWaiters: [MemoryWaiter] = []
    /// The connections of halted vCPUs.
    var haltedVCPUs: [HaltedVCPU] = []
    var seenRecordCount: UInt64 = 0
    var pageDeadlines = PageDeadlines()
    /// Page requests were answered since the devices last worked, so that engines go on that had stopped.
    var hasAnsweredPages = false

    /// Rules of fault injection by their number.
    var injections: [UInt32: InjectionRecord] = [:]
    var nextInjection: UInt32 = 1

    let startedAt = MonotonicClock.nanoseconds()
    var nextHeartbeat: UInt64 = 0
    var totalDroppedEvents: UInt64 = 0
    var stop: Stop?

    /// How the daemon ends.
    struct Stop {
        let reason: WireShutdownEvent.Reason
        /// When to stop waiting for descriptors in flight, monotonic nanoseconds.
        let deadline: UInt64
        var isDrained = false
    }

    /// The bytes of page tables, PASID tables and IOMMU tables that one machine may have; only what is touched counts.
    private static let frameByteCount = 16 << 30
    static let readByteCount = 256 << 10
    /// The devices work after so many submissions even if more wait to be read, so that a burst meets a moving queue.
    static let submissionsPerStep = 16

    init(
        configuration: DaemonConfiguration, lock: consuming LockFile, listeners: [ListeningSocket],
        historyStore: HistoryStore, mailbox: Mailbox, signals: consuming Signals, notifier: ServiceNotifier,
        log: DaemonLog,
        reload: @escaping () throws -> DaemonConfiguration
    ) throws {
        self.configuration = configuration
        self.lock = lock
        daemonLog = log
        self.log = log.logger
        self.mailbox = mailbox
        self.signals = signals
        self.notifier = notifier
        self.reload = reload
        self.listeners = listeners
        reserve = try DescriptorReserve()
        poller = try Poller()
        frames = try MemoryMapping.anonymous(byteCount: Self.frameByteCount)
        let memory = unsafe PhysicalMemory(frames: frames.baseAddress, byteCount: UInt64(frames.byteCount))
        guard let machine = Machine(memory: memory, hostQuota: UInt32(configuration.limits.hostPASIDQuota)) else {
            throw DaemonError.noFrames
        }
        self.machine = machine
        deviceNames = configuration.devices.map(\.name)
        driverJobs = Array(repeating: DriverJobs(), count: deviceNames.count)
        deviceFiles = try DeviceFiles(
            in: configuration.deviceTreeDirectory, isOwn: configuration.socketDirectory == nil, log: log.logger)
        history = HistoryRecorder(historyStore)
        engineThreads = try EngineThreads(
            count: configuration.limits.engineThreads,
            engineCount: configuration.devices.reduce(1) { $0 + $1.profile.engineCount }, mailbox: mailbox)
        programWatch = try ProgramWatch(mailbox: mailbox)
        unsafe readBuffer = .allocate(capacity: Self.readByteCount)
        self.machine.install(configuration.fabric)
        try DeviceSetup.plug(configuration.devices, into: &self.machine, driver: &driver)
        deviceFiles.update(driver, self.machine)
        announcedStates = initialStates()
    }

    deinit {
        unsafe readBuffer.deallocate()
    }

    /// A number for something that will be answered later.
    func makeToken() -> UInt64 {
        defer { nextToken += 1 }
        return nextToken
    }
}

/// A listening socket and what its connections may do.
struct ListeningSocket {
    let listener: Listener
    let transport: Session.Transport
    /// Not polled: there was no descriptor left for a connection.
    var isPaused = false
}

/// Why the daemon cannot start or go on.
package enum DaemonError: Error, CustomStringConvertible {
    case noFrames
    /// The service manager passed a TCP socket, and no token is configured.
    case inheritedWithoutToken
    /// A device of the configuration refuses its layout.
    case device(name: String, problem: String)
    /// The history could not record what had happened.
    case historyFailed(String)

    package var description: String {
        switch self {
        case .inheritedWithoutToken: "the service manager passed a TCP socket; configure tcp.tokenFile for it"
        case .noFrames: "there is no memory for the IOMMU's tables"
        case .device(let name, let problem): "device \(name): \(problem)"
        case .historyFailed(let problem): "the history cannot be written: \(problem)"
        }
    }
}
