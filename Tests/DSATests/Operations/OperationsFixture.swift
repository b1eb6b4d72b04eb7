import DSA
import DSASpec
import IOMMU
import PCIe
import Testing

/// A process with memory behind a real IOMMU: what an operation needs to run.
///
/// Pages of linear addresses lie in physical pages in any order, so that a buffer is rarely contiguous in memory.
@safe
final class OperationsFixture {
    static let requester = RequesterID(rawValue: 0x6A00)
    static let pasid = HostPASID(truncating: 5)

    let memory = PhysicalMemory(frameCount: 512)
    let pageCount: Int
    let region: HostPhysicalAddress
    private let bytes: UnsafeMutableRawPointer
    private var iommu: IOMMU
    private var deviceTLB = DeviceTLB()
    private var table: FirstStageTable
    private var window = TransferWindow()
    /// Whether the next operation may run directly, as in the device, or by windows alone: they take turns.
    private var isDirectTurn = false
    /// Where each page was mapped that way last.
    private var places: [UInt64: Int] = [:]

    /// - Parameter pageCount: Pages of physical memory.
    init(pageCount: Int) throws {
        self.pageCount = pageCount
        unsafe bytes = .allocate(byteCount: pageCount * 4096, alignment: 4096)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0, count: pageCount * 4096)
        region = try #require(unsafe memory.addRegion(base: bytes, byteCount: UInt64(pageCount) * 4096))
        guard var iommu = IOMMU(memory: memory), let table = FirstStageTable(memory: memory),
            iommu.enableRequester(Self.requester),
            iommu.setEntry(
                requester: Self.requester, pasid: Self.pasid, translation: table.translation,
                domain: DomainID(rawValue: 1))
        else { preconditionFailure("the fixture has frames enough") }
        self.iommu = iommu
        self.table = table
    }

    deinit {
        unsafe bytes.deallocate()
    }

    /// Maps one page at `address` to physical page `page`.
    func map(_ address: UInt64, toPage page: Int, writable: Bool = true) throws {
        try map(address, to: region.advanced(by: UInt64(page) * 4096), byteCount: 4096, writable: writable)
        places[address] = page
    }

    /// Maps the page of `address`, which was unmapped, to the physical page that it had.
    func restore(_ address: UInt64) throws {
        try map(address / 4096 * 4096, toPage: #require(places[address / 4096 * 4096]))
    }

    /// Whether the page of `address` is mapped.
    func isMapped(_ address: UInt64) -> Bool {
        let request = TranslationRequest(
            requester: Self.requester, pasid: Self.pasid, address: LinearAddress(rawValue: address), isWrite: false,
            isPrivileged: false)
        guard case .translated = iommu.translate(request) else { return false }
        return true
    }

    func map(_ address: UInt64, to target: HostPhysicalAddress, byteCount: UInt64, writable: Bool = true) throws {
        try table.map(LinearAddress(rawValue: address), to: target, byteCount: byteCount, writable: writable)
    }

    func unmap(_ address: UInt64, byteCount: UInt64 = 4096) throws {
        try table.unmap(LinearAddress(rawValue: address), byteCount: byteCount)
        invalidate()
    }

    func protect(_ address: UInt64) throws {
        try table.protect(LinearAddress(rawValue: address), byteCount: 4096, writable: false)
        invalidate()
    }

    /// Makes the IOMMU forget the address space, as whoever changes its table must.
    private func invalidate() {
        iommu.invalidate(.pasidTLB(DomainID(rawValue: 1), Self.pasid))
        deviceTLB.invalidate(.global)
    }

    /// The bytes of physical page `page`.
    func bytes(ofPage page: Int) -> [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: bytes + page * 4096, count: 4096))
    }

    /// All of physical memory, page after page.
    var allBytes: [UInt8] {
        unsafe Array(UnsafeRawBufferPointer(start: bytes, count: pageCount * 4096))
    }

    /// Replaces the first bytes of physical page `page`, at most 4096.
    func setBytes(ofPage page: Int, to contents: [UInt8]) {
        precondition(contents.count <= 4096)
        unsafe contents.withUnsafeBytes { contents in
            unsafe (bytes + page * 4096).copyMemory(from: contents.baseAddress!, byteCount: contents.count)
        }
    }

    /// Writes `contents` at a linear address, byte by byte through the IOMMU.
    func write(_ contents: [UInt8], at address: UInt64) {
        for (offset, byte) in contents.enumerated() {
            unsafe location(of: address + UInt64(offset)).storeBytes(of: byte, as: UInt8.self)
        }
    }

    /// Reads `count` bytes at a linear address, likewise.
    func read(_ count: Int, at address: UInt64) -> [UInt8] {
        (0..<count).map { unsafe location(of: address + UInt64($0)).load(as: UInt8.self) }
    }

    private func location(of address: UInt64) -> UnsafeMutableRawPointer {
        let request = TranslationRequest(
            requester: Self.requester, pasid: Self.pasid, address: LinearAddress(rawValue: address), isWrite: false,
            isPrivileged: false)
        guard case .translated(let physical, _) = iommu.translate(request),
            let pointer = unsafe memory.pointer(to: physical, byteCount: 1)
        else { preconditionFailure("the test reads and writes mapped memory only") }
        return unsafe pointer
    }

    /// Runs `descriptor` to its end as the device does, every other one by windows alone, and returns its record.
    func run(_ descriptor: Descriptor, openPoints: OpenPoints = OpenPoints()) -> CompletionRecord {
        isDirectTurn.toggle()
        return run(descriptor, openPoints: openPoints, isDirect: isDirectTurn)
    }

    /// Runs `descriptor` to its end, directly where that is possible and `isDirect`, otherwise by windows.
    func run(_ descriptor: Descriptor, openPoints: OpenPoints = OpenPoints(), isDirect: Bool) -> CompletionRecord {
        if isDirect, let record = runShort(descriptor) { return record }
        var transfer = Transfer(descriptor, openPoints: openPoints, deviceTLB: deviceTLB.reference)
        if isDirect,
            transfer.runDirectly(memory: memory, requester: Self.requester, pasid: Self.pasid, privileged: false)
        {
            return transfer.completionRecord()
        }
        while runWindow(of: &transfer) == .continues {}
        return transfer.completionRecord()
    }

    /// The same, with `afterWindow` called between two windows with the count of windows that ran.
    func run(_ descriptor: Descriptor, afterWindow: (Int) throws -> Void) throws -> CompletionRecord {
        var transfer = Transfer(descriptor)
        var windowCount = 0
        while runWindow(of: &transfer) == .continues {
            windowCount += 1
            try afterWindow(windowCount)
        }
        return transfer.completionRecord()
    }

    /// The record of `descriptor`, if it can be carried out in one go after its buffers were asked for.
    func runShort(_ descriptor: Descriptor) -> CompletionRecord? {
        let byteCount = max(UInt64(descriptor.transferSize), 1)
        for address in [descriptor.sourceAddress, descriptor.destinationAddress, descriptor.destination2Address] {
            for isWrite in [false, true] {
                let request = TranslationRequest(
                    requester: Self.requester, pasid: Self.pasid, address: address, isWrite: isWrite,
                    isPrivileged: false)
                _ = deviceTLB.reference.translate(request, byteCount: byteCount, &iommu)
            }
        }
        return ShortOperation.run(
            descriptor, memory: memory, requester: Self.requester, pasid: Self.pasid, privileged: false,
            deviceTLB: deviceTLB.reference)
    }

    private func runWindow(of transfer: inout Transfer) -> TransferProgress {
        guard case .ready(let byteCount) = resolve(&transfer) else { return .finished }
        precondition(byteCount >= 0 && byteCount <= Int(TransferWindow.byteCountMax))
        Transfer.run(&window)
        return transfer.absorb(window)
    }

    func resolve(_ transfer: inout Transfer) -> ResolveOutcome {
        transfer.resolve(
            into: &window, iommu: &iommu, memory: memory, requester: Self.requester, pasid: Self.pasid,
            privileged: false)
    }
}

/// A descriptor with CRAV and RCR and these operands.
func descriptor(
    _ opcode: Opcode, _ flags: DescriptorFlags = [], source: UInt64 = 0, destination: UInt64 = 0,
    destination2: UInt64 = 0, size: Int = 0
) -> Descriptor {
    var descriptor = Descriptor()
    descriptor.opcode = opcode
    descriptor.flags = flags.union([.completionRecordAddressValid, .requestCompletionRecord])
    descriptor.completionRecordAddress = LinearAddress(rawValue: 0x1000)
    if opcode != .cacheFlush, opcode != .fill { descriptor.sourceAddress = LinearAddress(rawValue: source) }
    if ![.comparePattern, .crcGeneration, .difCheck].contains(opcode) {
        descriptor.destinationAddress = LinearAddress(rawValue: destination)
    }
    if opcode == .dualcast { descriptor.destination2Address = LinearAddress(rawValue: destination2) }
    descriptor.transferSize = UInt32(size)
    return descriptor
}

extension Descriptor {
    func with(_ change: (inout Descriptor) -> Void) -> Descriptor {
        var copy = self
        change(&copy)
        return copy
    }
}

extension OpenPoints {
    /// The suggested choices after `change`.
    static func with(_ change: (inout OpenPoints) -> Void) -> OpenPoints {
        var points = OpenPoints()
        change(&points)
        return points
    }
}

/// P of dsa-device §9.1, repeated.
func patternP(_ count: Int) -> [UInt8] {
    let pattern: [UInt8] = [0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01]
    return (0..<count).map { pattern[$0 % 8] }
}

/// SplitMix64: small, seeded, and the same on every machine.
struct OperationsGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }
}
