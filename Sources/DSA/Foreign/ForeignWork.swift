internal import DSASpec
public import PCIe

/// What the device wants done in a foreign address space: a whole data operation with its record, a record alone, the
/// next members of a batch, or the readbacks of a Drain.
///
/// The driver takes it with ``Device/takeForeignWork()``, carries it out with ``run(in:through:)`` on a thread that may
/// wait, and gives it back with ``Device/finish(_:iommu:memory:)``. It is a value of its own: the device may abandon
/// the descriptor meanwhile, and a late answer finds nothing.
public struct ForeignWork: Sendable {
    /// Names the work as long as its device lives.
    public let ticket: UInt64
    /// The address space, by the PASID of the descriptor.
    public let pasid: HostPASID
    /// The lane whose descriptor it is.
    let lane: Int
    var kind: Kind
    var outcome = Outcome.pending

    enum Kind: Sendable {
        case transfer(ForeignTransfer)
        case record(CompletionRecord, at: LinearAddress, bringsPagesIn: Bool)
        case members(ForeignMembers)
        case readback(ForeignReadback)
    }

    enum Outcome: Hashable, Sendable, BitwiseCopyable {
        case pending
        /// A transfer has had its turn, and is to go on.
        case continues
        case finished
        /// Of a record: its address cannot be written.
        case faulted
        case gone
    }
}

/// Members of a batch that are read ahead. Real engines do so too; each is 64 bytes on a multiple of 64 and read once.
struct ForeignMembers: Sendable {
    /// How many are read at a time.
    static let countMax = 16

    let address: LinearAddress
    let count: Int
    let bringsPagesIn: Bool
    /// Those that could be read, from the first.
    var descriptors: [Descriptor] = []
}

/// The zero-length reads of a Drain, for which a byte is read.
struct ForeignReadback: Sendable, BitwiseCopyable {
    let first: LinearAddress?
    let second: LinearAddress?
    let bringsPagesIn: Bool
    var faultAddress: LinearAddress?
}

extension ForeignWork {
    /// Carries the work out, or as much of it as has its turn.
    public mutating func run(in memory: inout some ForeignMemory, through bounce: ForeignBounce) {
        switch kind {
        case .transfer(var transfer):
            switch transfer.run(in: &memory, through: bounce) {
            case .continues: outcome = .continues
            case .finished: outcome = .finished
            case .gone: outcome = .gone
            }
            kind = .transfer(transfer)
        case .record(let record, let address, let bringsPagesIn):
            switch record.publish(at: address, in: &memory, through: bounce, bringsPagesIn: bringsPagesIn) {
            case .copied(let count): outcome = count == CompletionRecord.byteCount ? .finished : .faulted
            case .gone: outcome = .gone
            }
        case .members(var members):
            outcome = members.read(in: &memory, through: bounce) ? .finished : .gone
            kind = .members(members)
        case .readback(var readback):
            outcome = readback.read(in: &memory, through: bounce) ? .finished : .gone
            kind = .readback(readback)
        }
    }

    /// Lets the work end without effect: its address space is no more.
    public mutating func abandon() {
        outcome = .gone
    }
}

extension ForeignPieces {
    /// Reads the pieces as far as they may be read.
    fileprivate func read(in memory: inout some ForeignMemory, bringsPagesIn: Bool) -> ForeignCopy {
        if !bringsPagesIn {
            switch memory.presentByteCount(of: self, isWrite: false) {
            case .gone: return .gone
            case .copied(let count): truncate(to: count)
            }
        }
        return byteCount == 0 ? .copied(0) : memory.read(self)
    }
}

extension ForeignMembers {
    /// Returns `false` when the address space is no more.
    fileprivate mutating func read(in memory: inout some ForeignMemory, through bounce: ForeignBounce) -> Bool {
        bounce.pieces.removeAll()
        unsafe bounce.pieces.append(
            bounce.buffer(0), at: address.rawValue, byteCount: count * Descriptor.byteCount)
        guard case .copied(let byteCount) = bounce.pieces.read(in: &memory, bringsPagesIn: bringsPagesIn) else {
            return false
        }
        descriptors = (0..<byteCount / Descriptor.byteCount).map { index in
            unsafe Descriptor(loading: bounce.buffer(0) + index * Descriptor.byteCount)
        }
        return true
    }
}

extension ForeignReadback {
    /// Returns `false` when the address space is no more.
    fileprivate mutating func read(in memory: inout some ForeignMemory, through bounce: ForeignBounce) -> Bool {
        for address in [first, second] {
            guard let address else { continue }
            bounce.pieces.removeAll()
            unsafe bounce.pieces.append(bounce.buffer(0), at: address.rawValue, byteCount: 1)
            guard case .copied(let count) = bounce.pieces.read(in: &memory, bringsPagesIn: bringsPagesIn) else {
                return false
            }
            if count == 0 {
                faultAddress = address
                return true
            }
        }
        return true
    }
}
