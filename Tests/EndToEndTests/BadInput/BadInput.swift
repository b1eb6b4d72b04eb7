import Protocol
import ProtocolMessages
import TestKit
import Testing

/// One kind of input that a daemon must not be shaken by.
struct BadInput: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// The daemon it is tried on.
    let options: DaemonProcess.Options
    /// Does it, checks the answer, and returns how many descriptors were accepted meanwhile.
    let act: @Sendable (BadInputStage) async throws -> UInt64

    /// Input that gets no descriptor accepted.
    init(
        _ description: String, on options: DaemonProcess.Options = .init(),
        act: @escaping @Sendable (BadInputStage) async throws -> Void
    ) {
        self.init(accepting: description, on: options) { stage in
            try await act(stage)
            return 0
        }
    }

    /// Input among which are descriptors that are accepted.
    init(
        accepting description: String, on options: DaemonProcess.Options = .init(),
        act: @escaping @Sendable (BadInputStage) async throws -> UInt64
    ) {
        testDescription = description
        self.options = options
        self.act = act
    }
}

/// A daemon, a witness that uses it, and somebody who looks at the machine.
struct BadInputStage {
    let daemon: DaemonProcess
    let witness: Submitter
    let admin: WireClient

    init(_ options: DaemonProcess.Options) throws {
        daemon = try DaemonProcess.start(options)
        admin = try daemon.admin()
        witness = try .hostUser(try daemon.client())
        try admin.subscribe("PROCESS_DESTROYED", "VM_DESTROYED")
        // The witness has faulted its PASID in, and its own work is done, when the state is looked at.
        _ = try witness.client.completion(at: try witness.submitAccepted())
    }

    /// What a client that misbehaves must leave as it was.
    struct State: Equatable {
        var accepted: UInt64
        var ended: UInt64
        var retried: UInt64
        var inFlight: UInt64
        var processes: UInt32
        var vms: UInt32
        var ioasids: [WireIoasidStatus]
        var memory: [WireMemoryRegion]
    }

    func state() throws -> State {
        let status = try admin.status()
        let memory = try admin.call(.queryMemory(.init()), returning: WireQueryMemoryReturn.self)
        return State(
            accepted: status.accepted, ended: status.completed + status.abandoned, retried: status.retried,
            inFlight: status.inFlight, processes: status.processes, vms: status.vms, ioasids: try admin.ioasids(),
            memory: memory.items)
    }

    /// Waits until a process is gone, with everything that was bound to it.
    func waitForEnd(ofProcess process: UInt32) throws {
        _ = try admin.nextEvent("PROCESS_DESTROYED") { event in
            try event.decode(WireProcessEvent.self).process == process
        }
    }
}
