import DSASpec
import IOMMU
import PCIe

/// A region of physical memory that a client has.
struct RAM {
    let physical: PhysicalMemory
    let start: HostPhysicalAddress
    let pageCount: Int

    /// The word at `offset` from the start.
    subscript(offset: UInt64) -> UInt64 {
        get {
            guard let word = physical.load64(start.advanced(by: offset)) else {
                preconditionFailure("the test reads inside its memory")
            }
            return word
        }
        nonmutating set {
            precondition(physical.store64(newValue, at: start.advanced(by: offset)))
        }
    }

    /// All of its words.
    var words: [UInt64] { (0..<UInt64(pageCount) * 512).map { self[$0 * 8] } }

    /// The completion record at slot `slot` of page 0.
    func record(_ slot: Int) -> CompletionRecord {
        var record = CompletionRecord(status: .none)
        let offset = UInt64(slot) * 32
        (record.word0, record.word1) = (self[offset], self[offset + 8])
        (record.word2, record.word3) = (self[offset + 16], self[offset + 24])
        return record
    }

    func status(_ slot: Int) -> CompletionStatus { record(slot).status }

    func store(_ descriptor: Descriptor, at offset: UInt64) {
        for word in 0..<8 { self[offset + UInt64(word) * 8] = descriptor[word: word] }
    }
}
