/// The pages of every space of the cases: one layout for all, so that an access under the wrong PASID finds other
/// bytes, not none.
package enum CaseLayout {
    /// Where the completion records stand.
    package static let recordPages = 0..<2
    /// Where the batch lists stand.
    package static let listPages = 2..<4
    /// Where the buffers stand, end to end.
    package static let dataPages = 4..<16
    /// The last page of the lower half of the addresses, the first of the upper one and the last of all.
    package static let outermostPages = 16..<19

    private static let base: UInt64 = 0x7F00_0010_0000

    package static let runs = [
        OracleMemory.Run(firstPage: base >> 12, pageCount: 16),
        OracleMemory.Run(firstPage: 0x7_FFFF_FFFF, pageCount: 1),
        OracleMemory.Run(firstPage: 0xF_FFF8_0000_0000, pageCount: 1),
        OracleMemory.Run(firstPage: 0xF_FFFF_FFFF_FFFF, pageCount: 1),
    ]

    /// The linear address of a page of the first run, or of the one behind it.
    package static func address(_ page: Int) -> UInt64 { base + UInt64(page) * 4096 }

    /// The PASIDs of the spaces: two at work, one that nobody submits for, and one that the IOMMU does not know.
    package static let pasids: [UInt32] = [11, 12, 13, 0x5_5555]
    package static let unboundSpace = 3

    /// The WQs: one shared, two dedicated.
    package static let sharedQueue = 0
    package static let userQueue = 1
    package static let privilegedQueue = 2
    package static let queueCount = 3

    /// The space of a dedicated WQ.
    package static func space(ofQueue queue: Int) -> Int { queue == privilegedQueue ? 1 : 0 }
}
