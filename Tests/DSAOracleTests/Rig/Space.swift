import DSAOracle
import Glibc
import IOMMU
import PCIe

/// The address space of one PASID, twice: behind the device's IOMMU, and in the model.
@safe
final class Space {
    let pasid: HostPASID
    let model: OracleMemory
    /// Reached by copying: there is no privilege, and nothing but memory.
    private let isForeign: Bool
    private let table: RawPageTable?
    private let frames: FramePool
    /// The frame behind each page.
    private let frameNumbers: [Int]

    /// - Parameter isBound: Whether the IOMMU is to know the PASID.
    init(pasid: UInt32, isBound: Bool, isForeign: Bool, frames: FramePool, memory: PhysicalMemory) {
        self.isForeign = isForeign
        self.pasid = HostPASID(truncating: pasid)
        self.frames = frames
        model = OracleMemory(runs: CaseLayout.runs)
        model.isBound = isBound
        table = isBound ? RawPageTable(memory: memory) : nil
        frameNumbers = isBound ? (0..<model.pageCount).map { _ in frames.take() } : []
        if isBound {
            for page in 0..<model.pageCount { set(.readWrite, page: page) }
        }
    }

    var translation: AddressSpaceTranslation? { table?.translation }
    var isBound: Bool { table != nil }

    /// Gives page `page` another permission on both sides.
    func set(_ wanted: PageKind, page: Int) {
        guard let table else { return }
        var kind = wanted
        if isForeign, kind != .readOnly, kind != .readWrite { kind = .absent }
        model.kinds[page] = kind
        table.set(kind, at: model.address(ofPage: page), frame: frames.address(of: frameNumbers[page]))
    }
}

// MARK: Contents

extension Space {
    /// Where the device sees page `page`.
    func frame(_ page: Int) -> UnsafeMutableRawPointer { unsafe frames.pointer(to: frameNumbers[page]) }

    /// Makes the device's page as the model's.
    func copyToDevice(page: Int) {
        guard table != nil else { return }
        unsafe model.bytes.withUnsafeBytes { bytes in
            let start = page * OracleMemory.pageByteCount
            unsafe frame(page).copyMemory(
                from: bytes.baseAddress! + start, byteCount: OracleMemory.pageByteCount)
        }
    }

    func copyAllToDevice() {
        for page in 0..<model.pageCount { copyToDevice(page: page) }
    }

    /// The first byte in which the device's memory is neither as in the model nor, where `loose` has one, its old
    /// value.
    func firstDifference(loose: [Int: UInt8]) -> Int? {
        guard table != nil else { return nil }
        for page in 0..<model.pageCount {
            let start = page * OracleMemory.pageByteCount
            let isSame = unsafe model.bytes.withUnsafeBytes { bytes in
                unsafe memcmp(frame(page), bytes.baseAddress! + start, OracleMemory.pageByteCount) == 0
            }
            guard !isSame else { continue }
            for index in 0..<OracleMemory.pageByteCount {
                let found = byte(atOffset: start + index)
                if found != model.bytes[start + index], found != loose[start + index] { return start + index }
            }
        }
        return nil
    }

    /// The device's byte at an offset of the model's bytes.
    func byte(atOffset offset: Int) -> UInt8 {
        unsafe frame(offset / OracleMemory.pageByteCount)
            .load(fromByteOffset: offset % OracleMemory.pageByteCount, as: UInt8.self)
    }

    /// Changes the device's memory alone.
    func writeToDevice(_ bytes: [UInt8], atOffset offset: Int) {
        for (index, byte) in bytes.enumerated() {
            let (page, place) = (offset + index).quotientAndRemainder(dividingBy: OracleMemory.pageByteCount)
            unsafe frame(page).storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
        }
    }

    /// The device's 32 bytes at an offset of the model's bytes.
    func record(atOffset offset: Int) -> (UInt64, UInt64, UInt64, UInt64) {
        let start = unsafe frame(offset / OracleMemory.pageByteCount) + offset % OracleMemory.pageByteCount
        return (
            unsafe start.load(as: UInt64.self), unsafe start.load(fromByteOffset: 8, as: UInt64.self),
            unsafe start.load(fromByteOffset: 16, as: UInt64.self),
            unsafe start.load(fromByteOffset: 24, as: UInt64.self)
        )
    }
}
