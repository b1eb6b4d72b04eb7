internal import CClient
internal import DSASpec
internal import PCIe
internal import Platform
internal import Virtualization

/// The shared-memory portal of one connection: memory that its client writes as it likes, at any moment.
///
/// Nothing here trusts a word of it. What is taken is copied out of it once and then checked; what cannot come from a
/// program that uses `swq_ring.h` is told from what can.
@safe
final class Ring {
    /// The most submissions that are published at once.
    static let slotCount = SWQ_RING_SLOTS
    /// The bytes of the memory.
    static let byteCount = SWQ_RING_BYTES

    /// A submission, out of the client's reach.
    struct Submission {
        let kind: EnqueueInstruction.Kind
        let destination: LinearAddress
        let descriptor: Descriptor
        /// No answer is wanted.
        let isPosted: Bool
    }

    unowned let session: Session
    /// The eventfd that the client writes to. It is never read: whoever shares it could make a read wait. Each write is
    /// an edge.
    let bell: Wakeup
    private let memory: MemoryMapping
    private let base: UnsafeMutableRawPointer

    /// The loop looks by itself; otherwise it waits for the bell.
    var isPolled = false
    /// When something was last found, or the bell rang; monotonic nanoseconds.
    var lastWork: UInt64 = 0
    /// When the loop stopped looking; monotonic nanoseconds.
    var asleepSince: UInt64 = 0
    /// How long the loop goes on looking without finding anything, nanoseconds.
    var patience: UInt64
    /// Submissions carried out.
    var submissionCount: UInt64 = 0
    /// Times that the bell woke the loop.
    var wakeupCount: UInt64 = 0

    /// A ring that waits for its bell, and the memfd for the client.
    init(of session: Session, patience: UInt64) throws(SystemError) {
        let shared: SharedMemory
        do throws(SharedMemoryError) {
            shared = try SharedMemory.create(name: "swqd ring", byteCount: Self.byteCount)
        } catch {
            guard case .system(let problem) = error else {
                preconditionFailure("the size of a ring is one of shared memory: \(error)")
            }
            throw problem
        }
        self.session = session
        self.patience = patience
        bell = try Wakeup()
        memory = try shared.map()
        unsafe base = memory.baseAddress
        unsafe swq_ring_initialize(base)
        file = FileBox(try shared.descriptor.duplicate())
        guard fallAsleep() else { preconditionFailure("nobody has published anything in memory that nobody else has") }
    }

    private final class FileBox {
        let descriptor: OwnedFD

        init(_ descriptor: consuming OwnedFD) { self.descriptor = descriptor }
    }

    private let file: FileBox

    /// A descriptor of the memory.
    func memoryDescriptor() throws(SystemError) -> OwnedFD { try file.descriptor.duplicate() }

    /// Whether something is published.
    var hasPending: Bool {
        @inline(__always) get { unsafe swq_ring_has_pending(base) != 0 }
    }

    /// Takes everything that is published. Returns how many slots, whose numbers are then in front of `order`.
    @inline(__always)
    func take(into order: inout InlineArray<64, UInt8>) -> Int {
        var span = order.mutableSpan
        return unsafe span.withUnsafeMutableBufferPointer { unsafe Int(swq_ring_take(base, $0.baseAddress)) }
    }

    /// The submission of a slot that was taken; `nil` when no program that uses the ring writes what is there.
    @inline(__always)
    func submission(at slot: UInt8) -> Submission? {
        var command = swq_ring_command()
        guard unsafe swq_ring_read(base, CInt(slot), &command) == 0 else { return nil }
        let kind: EnqueueInstruction.Kind
        switch UInt32(command.kind) {
        case SWQ_RING_ENQCMD.rawValue: kind = .enqcmd
        case SWQ_RING_ENQCMDS.rawValue: kind = .enqcmds
        case SWQ_RING_MOVDIR64B.rawValue: kind = .movdir64b
        default: return nil
        }
        let words = command.words
        return Submission(
            kind: kind, destination: LinearAddress(rawValue: command.destination),
            descriptor: Descriptor(
                words.0, words.1, words.2, words.3, words.4, words.5, words.6, words.7),
            isPosted: Int(command.flags) & SWQ_RING_POSTED != 0)
    }

    /// Answers a slot that was taken. `false` when the client has changed its state meanwhile.
    @inline(__always)
    func answer(_ answer: RingAnswer, at slot: UInt8) -> Bool {
        unsafe swq_ring_answer_slot(base, CInt(slot), answer.outcome, answer.errorCode, answer.faultAddress) == 0
    }

    /// Gives a slot back whose client wants no answer. `false` when it has changed the slot's state meanwhile.
    @inline(__always)
    func finishPosted(at slot: UInt8) -> Bool {
        unsafe swq_ring_finish_posted(base, CInt(slot)) == 0
    }

    /// Has the client ring the bell from now on. `false` when something was published before it could know.
    func fallAsleep() -> Bool { unsafe swq_ring_fall_asleep(base) != 0 }

    /// The client need not ring any more.
    func wakeUp() { unsafe swq_ring_wake_up(base) }

    /// Answers as detached what is published and what will be.
    func close() { unsafe swq_ring_close(base) }
}

/// What a client's slot is told.
struct RingAnswer {
    let outcome: UInt32
    var errorCode: UInt32 = 0
    var faultAddress: UInt64 = 0

    private init(_ outcome: swq_ring_state) { self.outcome = outcome.rawValue }

    static var detached: Self { Self(SWQ_RING_DETACHED) }
    static var accepted: Self { Self(SWQ_RING_ACCEPTED) }
    static var retry: Self { Self(SWQ_RING_RETRY) }

    /// An instruction that raised an exception.
    init(_ exception: ProcessorException) {
        switch exception {
        case .invalidOpcode: self.init(SWQ_RING_INVALID_OPCODE)
        case .generalProtection: self.init(SWQ_RING_GENERAL_PROTECTION)
        case .pageFault(let address, let code):
            self.init(SWQ_RING_PAGE_FAULT)
            errorCode = code.rawValue
            faultAddress = address.rawValue
        }
    }
}
