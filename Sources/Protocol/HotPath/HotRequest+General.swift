internal import FoundationEssentials
package import ProtocolMessages

extension HotRequest {
    /// The same submission as read by the general decoder, so that both ways lead to one place. The id and the end are
    /// those of the envelope and are not set. Nil if the arguments have not passed the walker.
    package init?(_ instruction: Instruction, _ arguments: WireSubmissionArguments) {
        guard let destination = Hexadecimal.value(arguments.destination) else { return nil }
        self.init()
        self.instruction = instruction
        self.destination = destination
        switch arguments.operand {
        case .source(let text):
            guard let source = Hexadecimal.value(text) else { return nil }
            self.source = source
            loadsSource = true
        case .descriptor(let bytes):
            guard bytes.count == 64 else { return nil }
            for (index, byte) in bytes.enumerated() {
                descriptor[index / 8] |= UInt64(byte) << UInt64(index % 8 * 8)
            }
        case nil: return nil
        }
    }
}
