internal import CLoadGenerator

/// Prepared requests on open connections: the load of one server.
@safe
final class LoadPlan {
    private let reply: bench_reply
    private let inFlight: UInt32
    private let slotCount: UInt32
    private var requestByteCount: UInt32 = 0
    private var connections: [bench_connection] = unsafe []
    private var requests: [UnsafeMutableBufferPointer<UInt8>] = unsafe []
    /// Whatever keeps the descriptors and the records alive.
    private var owners: [AnyObject] = []

    /// - Parameters:
    ///   - slotCount: Requests of a connection, sent in turn.
    ///   - inFlight: Those without an answer at a time, 1 to `slotCount`.
    init(reply: bench_reply, slotCount: Int, inFlight: Int) {
        self.reply = reply
        self.slotCount = UInt32(slotCount)
        self.inFlight = UInt32(inFlight)
    }

    deinit {
        for index in unsafe requests.indices { unsafe requests[index].deallocate() }
    }

    /// Adds a connection.
    ///
    /// - Parameters:
    ///   - owner: Keeps `descriptor` open and `records` mapped.
    ///   - slots: Its requests, with their line ends. Shorter ones get spaces before it.
    ///   - records: Their completion records.
    func add(
        descriptor: Int32, owner: AnyObject, slots: [[UInt8]], records: UnsafeMutableRawPointer? = nil
    ) {
        precondition(slots.count == Int(slotCount))
        if unsafe connections.isEmpty { requestByteCount = UInt32(slots.map(\.count).max() ?? 0) }
        // Twice, so that any run of slots is contiguous.
        let bytes = (slots + slots).flatMap { Self.padded($0, to: Int(requestByteCount)) }
        let buffer = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count)
        _ = unsafe buffer.initialize(from: bytes)
        unsafe requests.append(buffer)
        owners.append(owner)
        unsafe connections.append(
            bench_connection(
                fd: descriptor, requests: buffer.baseAddress,
                records: records?.assumingMemoryBound(to: UInt8.self)))
    }

    /// Runs the load on this thread.
    func run(server: ServerProcess, plan: Plan) throws -> LoadResult {
        var result = bench_load_result()
        let outcome = unsafe connections.withUnsafeBufferPointer { connections in
            var load = unsafe bench_load(
                reply: reply, connections: connections.baseAddress, connection_count: UInt32(connections.count),
                slots: slotCount, in_flight: inFlight, request_bytes: requestByteCount,
                warm_up_ns: plan.warmUpNanoseconds, measured_ns: plan.runNanoseconds,
                stall_ns: Self.stallNanoseconds, server: server.id)
            return unsafe bench_load_run(&load, &result)
        }
        try BenchError.check(outcome)
        return LoadResult(result)
    }

    private static let stallNanoseconds: UInt64 = 5_000_000_000

    private static func padded(_ request: [UInt8], to byteCount: Int) -> [UInt8] {
        precondition(request.count <= byteCount && request.last == UInt8(ascii: "\n"))
        let spaces = Array(repeating: UInt8(ascii: " "), count: byteCount - request.count)
        return request.dropLast() + spaces + [UInt8(ascii: "\n")]
    }
}

/// What a run of a load came to.
struct LoadResult {
    /// Within the measured time.
    let completed: UInt64
    let retried: UInt64
    let late: UInt64
    /// In the whole run.
    let completedInAll: UInt64
    /// Requests a second.
    let rate: Double
    /// CPU time of the server for each request, nanoseconds.
    let serverNanoseconds: Double

    init(_ result: bench_load_result) {
        completed = result.completed
        retried = result.retried
        late = result.late
        completedInAll = result.completed_in_all
        rate = Double(result.completed) / Double(result.elapsed_ns) * 1e9
        serverNanoseconds = Double(result.server_cpu_ns) / Double(max(result.completed, 1))
    }
}
