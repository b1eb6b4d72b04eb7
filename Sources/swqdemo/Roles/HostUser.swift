internal import Platform
internal import Protocol
internal import ProtocolMessages

/// A thread of a host process. Nobody writes its IA32_PASID: the first ENQCMD raises #GP(0), and the kernel's handler
/// loads the PASID of the process and runs the instruction again (virtualization §3.4).
final class HostUser: Participant {
    let participation: Participation
    private let connection: DaemonConnection
    private let memory: WorkMemory
    private let portal: UInt64

    init(_ options: ParticipantOptions) throws {
        connection = try DaemonConnection(path: options.socket)
        let process = try connection.call(.attachProcess(), returning: WireAttachProcessReturn.self).process
        var arguments = WireCreateSharedMemoryArguments()
        arguments.size = UInt64(Workload.byteCount)
        let region = try connection.call(.createSharedMemory(arguments), returning: WireSharedMemoryReturn.self)
        let shared = try SharedMemory.adopt(connection.takeDescriptor(), byteCountMax: Workload.byteCount)
        memory = WorkMemory(
            base: try address(region.address), mapping: try shared.map(),
            pageOffsets: (0..<Workload.byteCount / WorkMemory.pageByteCount).map { $0 * WorkMemory.pageByteCount })
        let bound = try connection.call(.bindProcess(), returning: WireBindProcessReturn.self)
        portal = try address(connection.call(.mapPortal(), returning: WireMapPortalReturn.self).address)
        participation = Participation(process: process, hostPASID: bound.pasid)
    }

    func makeWorkload(seed: UInt64) -> Workload {
        Workload(connection: connection, memory: memory, portal: portal, seed: seed)
    }

    func leave() throws {
        let processor = try connection.call(.queryProcessor, returning: WireQueryProcessorReturn.self)
        try DemoError.require(
            processor.gpFixups == 1 && processor.ia32Pasid == Hexadecimal.text(1 << 31 | participation.hostPASID),
            "IA32_PASID of the host user is \(processor.ia32Pasid) after \(processor.gpFixups) #GP fix-ups")
        try connection.call(.unbindProcess())
        try connection.call(.detach)
    }
}

/// The number that an address of a reply stands for.
func address(_ text: String) throws(DemoError) -> UInt64 {
    guard let address = Hexadecimal.value(text) else { throw DemoError("\(text) is no address") }
    return address
}
