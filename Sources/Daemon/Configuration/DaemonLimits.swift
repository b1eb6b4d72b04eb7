internal import Platform
package import ProtocolMessages

/// Bounds on what clients may use, each at least 1 unless it says otherwise. The initial values are the defaults.
package struct DaemonLimits: Hashable, Sendable {
    /// Open connections.
    package var connections = 4096
    /// Bytes of a request.
    package var lineBytes = 1 << 20
    /// Hosted and shared memory of one client, bytes.
    package var memoryPerClientBytes = 4 << 30
    /// Virtual machines.
    package var vms = 1024
    /// Processes.
    package var processes = 65_536
    /// Events that wait for one connection; more are dropped and counted.
    package var eventQueue = 1024
    /// Bytes of replies that wait for one connection before the daemon stops reading it.
    package var replyBytes = 4 << 20
    /// Portal pages mapped by one client.
    package var portalsPerClient = 256
    /// Interrupt entries requested by one process or VM.
    package var interruptsPerClient = 64
    /// Threads that run windows too long for the loop. The loop has a processor to itself, as long as there are two.
    package var engineThreads = min(max(ProcessorCount.available - 1, 1), 16)
    /// IOASIDs of the host.
    package var hostPASIDQuota = 524_288
    /// IOASIDs of a VM whose creator names no quota.
    package var vmPASIDQuota = 256
    /// Longest wait for a drain at shutdown, milliseconds; 0 waits for nothing.
    package var drainTimeoutMilliseconds = 10_000
    /// Longest wait for the answer to a page request, milliseconds; 0 waits for ever.
    ///
    /// Ten seconds: no owner that is alive takes so long, and one that is stopped keeps an engine no longer.
    package var pageRequestTimeoutMilliseconds = 10_000
    /// Longest time that the daemon goes on looking at a ring without work, microseconds; 0 looks only when woken.
    ///
    /// A wake-up takes 35 microseconds where it has to reach a sleeping virtual processor, so looking for three times
    /// as long costs at most four times what is best for any rhythm of the client.
    package var ringSpinMicroseconds = ProcessorCount.available > 1 ? 100 : 0

    /// The defaults, and over them what a checked configuration file says.
    init(_ wire: WireLimitsConfiguration) {
        if wire.hasConnections { connections = Int(wire.connections) }
        if wire.hasLineBytes { lineBytes = Int(wire.lineBytes) }
        if wire.hasMemoryPerClientBytes { memoryPerClientBytes = Int(wire.memoryPerClientBytes) }
        if wire.hasVms { vms = Int(wire.vms) }
        if wire.hasProcesses { processes = Int(wire.processes) }
        if wire.hasEventQueue { eventQueue = Int(wire.eventQueue) }
        if wire.hasReplyBytes { replyBytes = Int(wire.replyBytes) }
        if wire.hasPortalsPerClient { portalsPerClient = Int(wire.portalsPerClient) }
        if wire.hasInterruptsPerClient { interruptsPerClient = Int(wire.interruptsPerClient) }
        if wire.hasEngineThreads { engineThreads = Int(wire.engineThreads) }
        if wire.hasHostPasidQuota { hostPASIDQuota = Int(wire.hostPasidQuota) }
        if wire.hasVmPasidQuota { vmPASIDQuota = Int(wire.vmPasidQuota) }
        if wire.hasDrainTimeoutMs { drainTimeoutMilliseconds = Int(wire.drainTimeoutMs) }
        if wire.hasRingSpinUs { ringSpinMicroseconds = Int(wire.ringSpinUs) }
        if wire.hasPageRequestTimeoutMs { pageRequestTimeoutMilliseconds = Int(wire.pageRequestTimeoutMs) }
    }

    /// All of them as the protocol writes them.
    package var wire: WireLimitsConfiguration {
        var wire = WireLimitsConfiguration()
        wire.connections = UInt32(connections)
        wire.lineBytes = UInt32(lineBytes)
        wire.memoryPerClientBytes = UInt64(memoryPerClientBytes)
        wire.vms = UInt32(vms)
        wire.processes = UInt32(processes)
        wire.eventQueue = UInt32(eventQueue)
        wire.replyBytes = UInt32(replyBytes)
        wire.portalsPerClient = UInt32(portalsPerClient)
        wire.interruptsPerClient = UInt32(interruptsPerClient)
        wire.engineThreads = UInt32(engineThreads)
        wire.hostPasidQuota = UInt32(hostPASIDQuota)
        wire.vmPasidQuota = UInt32(vmPASIDQuota)
        wire.drainTimeoutMs = UInt32(drainTimeoutMilliseconds)
        wire.ringSpinUs = UInt32(ringSpinMicroseconds)
        wire.pageRequestTimeoutMs = UInt32(pageRequestTimeoutMilliseconds)
        return wire
    }
}
