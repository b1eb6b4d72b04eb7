internal import Platform
internal import Protocol
internal import ProtocolMessages

/// Submits descriptors of every operation through one portal, several in flight, until so many have completed.
struct Workload {
    /// More than the shared WQ takes in through its limited portal, so that a participant alone can fill it.
    static let slotCount = 96
    /// Memory that the slots take, bytes.
    static let byteCount = slotCount * Slot.byteCount

    /// Submissions sent before the first of their results is read.
    private static let burstMax = 16
    /// Retries of one descriptor before the program gives up.
    private static let retriesMax = 100_000

    private let connection: DaemonConnection
    private let memory: WorkMemory
    /// The linear address of the enqueue register.
    private let portal: UInt64
    private var generator: SeededGenerator

    private var slots = (0..<slotCount).map { Slot(index: $0) }
    /// Slots without a descriptor.
    private var free = Array((0..<slotCount).reversed())
    /// Slots whose descriptor was answered with Retry, in order.
    private var waiting: [Int] = []
    /// Slots whose descriptor was accepted, in that order.
    private var inFlight: [Int] = []
    private var preparedCount = 0
    private(set) var totals = Totals()

    init(connection: DaemonConnection, memory: WorkMemory, portal: UInt64, seed: UInt64) {
        self.connection = connection
        self.memory = memory
        self.portal = portal
        generator = SeededGenerator(seed: seed)
    }

    /// Submits until the WQ is full, which it gets while the engines are held: up to the first Retry.
    mutating func submitUntilRetry() throws {
        while totals.retried == 0 {
            try DemoError.require(!free.isEmpty, "\(Self.slotCount) descriptors were accepted and none was retried")
            try submitBurst(upTo: .max)
        }
    }

    /// Submits the rest, waits for every completion, and checks it.
    mutating func run(descriptorCount: Int) throws {
        while totals.completed < descriptorCount {
            let retriedBefore = totals.retried
            try submitBurst(upTo: descriptorCount)
            let reaped = try reap()
            // The back-off: a full WQ has room again when one of our own has completed.
            if let oldest = inFlight.first, reaped == 0 || totals.retried > retriedBefore {
                try wait(for: oldest)
            }
        }
    }

    private mutating func submitBurst(upTo descriptorCount: Int) throws {
        var burst = Array(waiting.prefix(Self.burstMax))
        waiting.removeFirst(burst.count)
        while burst.count < Self.burstMax, preparedCount < descriptorCount, let slot = free.popLast() {
            let operations = Operation.allCases
            slots[slot].prepare(operations[preparedCount % operations.count], in: memory, using: &generator)
            preparedCount += 1
            burst.append(slot)
        }
        let requests = burst.map { Request.enqcmd(slots[$0].descriptor, to: portal) }
        let results = try connection.call(requests, returning: WireSubmissionReturn.self)
        var refused: [Int] = []
        for (slot, result) in zip(burst, results) {
            try DemoError.require(!result.hasException, "ENQCMD raised \(result.exception.vector)")
            try DemoError.require(!result.hasExit, "ENQCMD caused VM exit \(result.exit.reason)")
            totals.fixups += UInt64(result.gpFixups)
            if result.zf {
                totals.retried += 1
                slots[slot].retryCount += 1
                try DemoError.require(
                    slots[slot].retryCount <= Self.retriesMax, "a descriptor was answered with Retry too often")
                refused.append(slot)
            } else {
                totals.accepted += 1
                inFlight.append(slot)
            }
        }
        waiting = refused + waiting
    }

    /// Takes what has completed, and checks it.
    ///
    /// - Returns: How many had completed.
    private mutating func reap() throws(DemoError) -> Int {
        // From the newest: once a drain is seen to have completed, all before it must have.
        var remaining: [Int] = []
        var count = 0
        var isDrained = false
        for slot in inFlight.reversed() {
            guard memory.status(at: slots[slot].recordOffset) != 0 else {
                try DemoError.require(!isDrained, "a drain completed before a descriptor submitted earlier")
                remaining.append(slot)
                continue
            }
            isDrained = isDrained || slots[slot].isDrain
            totals.checkedBytes += UInt64(try slots[slot].check(in: memory))
            totals.completed += 1
            count += 1
            free.append(slot)
        }
        inFlight = remaining.reversed()
        return count
    }

    private func wait(for slot: Int) throws {
        let result = try connection.call(
            .umwait(memory.address(slots[slot].recordOffset)), returning: WireUmwaitReturn.self)
        try DemoError.require(result.changed, "\(slots[slot].operation): the completion record does not come")
    }
}
