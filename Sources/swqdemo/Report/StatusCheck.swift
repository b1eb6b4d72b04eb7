internal import ProtocolMessages

/// The daemon's own totals beside the sum of what the participants counted.
struct StatusCheck {
    let status: WireQueryStatusReturn
    let queues: [WireWqStatus]

    /// Throws unless they agree, every submission went to the shared WQ, and nothing is left.
    func require(_ totals: Totals) throws(DemoError) {
        try DemoError.require(
            status.accepted == totals.accepted && status.completed == totals.completed
                && status.retried == totals.retried,
            "the daemon counts \(status.accepted) accepted, \(status.completed) completed, \(status.retried) retried; "
                + "the participants \(totals.accepted), \(totals.completed), \(totals.retried)")
        try DemoError.require(
            status.abandoned == 0 && status.inFlight == 0,
            "\(status.abandoned) descriptors were abandoned, \(status.inFlight) are in flight")
        try DemoError.require(
            status.boundIoasids == 0 && status.allocatedIoasids == 0 && status.vms == 0 && status.processes == 0,
            "the daemon still has bindings, VMs or processes")
        for queue in queues {
            let expected = queue.index == Setting.workQueue ? totals.accepted : 0
            try DemoError.require(
                queue.accepted == expected, "WQ \(queue.index) accepted \(queue.accepted), not \(expected)")
        }
    }
}
