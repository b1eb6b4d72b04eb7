/// The part that a window has of a buffer which does not keep step with the blocks: how much of it they need shows only
/// when they run.
///
/// Pages that cannot be accessed end it early. They are a fault only where a window before has come to them, so that an
/// operation faults on no page but those it writes.
struct LooseBuffer {
    let operand: Int
    /// Where in the buffer the part begins.
    let offset: UInt64
    /// The bytes that the window might need.
    let byteCount: UInt64
    /// The bytes without which the operation cannot go on.
    let needed: UInt64
}

extension Transfer {
    /// The loose buffer of a window of `blocks` blocks, if the operation has one.
    @inline(__always)
    func looseBuffer(blocks: UInt64) -> LooseBuffer? {
        switch state {
        case .none, .pattern, .crc, .dif: nil
        case .createDelta(let creation): creation.recordBuffer(blocks: blocks)
        case .applyDelta(let application): application.destinationBuffer
        }
    }
}
