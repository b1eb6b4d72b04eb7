/// Software that submits what is left of a batch whose list faulted, as the reference says it must (dsa-device §4.6).
package struct ResumingBatchClient: Sendable {
    /// What is to be submitted next: a batch, or the last member alone.
    package private(set) var descriptor: RawDescriptor
    /// Members processed by the parts so far.
    package private(set) var done: UInt64 = 0
    /// The device takes over from the record whether a member of an earlier part failed.
    private let hasContinuation: Bool

    package init(_ batch: RawDescriptor, hasContinuation: Bool) {
        descriptor = batch
        self.hasContinuation = hasContinuation
    }

    /// Whether only one member is left, which the device takes directly alone.
    package var isAlone: Bool { descriptor.opcode != Operation.batch }

    /// Takes a record of a list fault (0x06) and makes the descriptor of the rest.
    ///
    /// - Parameter load: The 64 bytes at an address, for a last member that is submitted alone.
    /// - Returns: Whether there is anything to submit: software keeps the fence of a last member itself.
    package mutating func resume(after record: RecordBytes, load: (UInt64) -> [UInt8]) -> Bool {
        done += record.bytesCompleted
        descriptor.first &+= 64 * record.bytesCompleted
        descriptor.size -= record.bytesCompleted
        if hasContinuation, record.result == 1 { descriptor.flags |= 1 << Flag.batchError }
        guard descriptor.size == 1 else { return true }
        let hasFailure = descriptor.hasFlag(Flag.batchError)
        let submitter = descriptor[0, 4]
        descriptor = RawDescriptor(load(descriptor.first))
        descriptor[0, 4] = submitter
        guard descriptor.hasFlag(Flag.fence) else { return true }
        descriptor.flags &= ~(1 << Flag.fence)
        return !hasFailure
    }
}
