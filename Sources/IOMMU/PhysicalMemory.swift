public import PCIe

/// The host's physical memory: regions that the driver of the core lends, and the frames the core keeps its own
/// tables in.
///
/// A host physical address carries its region's index in bits 51:36 and the offset in bits 35:0, so a look-up is one
/// array access. Region 0 holds the core's frames; from ``mmioRegionIndex`` up nothing is memory.
/// The lender keeps a region mapped, and in place, until ``removeRegion(at:)``; it removes none while a window runs on
/// it.
///
/// A reference type although the core is otherwise made of values: memory is shared by nature, with guests and engines.
@safe
public final class PhysicalMemory {
    /// The most bytes of one region: 64 GiB.
    public static let regionByteCountMax: UInt64 = 1 << 36

    /// The first region index that is never memory. Device BARs are decoded from here up.
    public static let mmioRegionIndex = 0xFF00

    @usableFromInline @unsafe
    struct Region {
        @usableFromInline var base: UnsafeMutableRawPointer?
        @usableFromInline var byteCount: UInt64

        @usableFromInline static var absent: Region { unsafe Region(base: nil, byteCount: 0) }
    }

    @usableFromInline let regions: UnsafeMutablePointer<Region>
    /// Region 0 again: most steps of a page walk are in it, and here it costs no look-up.
    private let frames: UnsafeMutableRawPointer
    private let frameByteCount: UInt64
    private let ownsFrames: Bool
    private var freeRegionIndices: [Int] = []
    private var nextRegionIndex = 1
    private var freeFrames: [HostPhysicalAddress] = []
    private var nextFrameOffset: UInt64 = 0

    /// Frames that were allocated, and freed, in a row.
    private struct FrameRun {
        let start: HostPhysicalAddress
        let frameCount: Int
    }

    private var freeRuns: [FrameRun] = []

    /// Keeps the core's frames in `byteCount` zeroed, page-aligned bytes at `frames`, which the caller keeps mapped for
    /// the life of this object.
    ///
    /// - Precondition: `byteCount` is a multiple of 4096, at least one page and at most ``regionByteCountMax``.
    public init(frames: UnsafeMutableRawPointer, byteCount: UInt64) {
        precondition(byteCount > 0 && byteCount % pageByteCount == 0 && byteCount <= Self.regionByteCountMax)
        unsafe regions = .allocate(capacity: Self.mmioRegionIndex)
        unsafe regions.initialize(repeating: Region.absent, count: Self.mmioRegionIndex)
        unsafe regions[0] = unsafe Region(base: frames, byteCount: byteCount)
        unsafe self.frames = frames
        frameByteCount = byteCount
        ownsFrames = false
    }

    /// Allocates the core's frames itself: for the simulator and the tests.
    public init(frameCount: Int) {
        let byteCount = frameCount * Int(pageByteCount)
        let frames = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: Int(pageByteCount))
        unsafe frames.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
        unsafe regions = .allocate(capacity: Self.mmioRegionIndex)
        unsafe regions.initialize(repeating: Region.absent, count: Self.mmioRegionIndex)
        unsafe regions[0] = unsafe Region(base: frames, byteCount: UInt64(byteCount))
        unsafe self.frames = frames
        frameByteCount = UInt64(byteCount)
        ownsFrames = true
    }

    deinit {
        if ownsFrames { unsafe frames.deallocate() }
        unsafe regions.deallocate()
    }
}

// MARK: Regions

extension PhysicalMemory {
    /// Adds `byteCount` bytes at `base` and returns the region's first address.
    ///
    /// `nil` when `byteCount` is 0, no page multiple or above ``regionByteCountMax``, or when no index is free.
    public func addRegion(base: UnsafeMutableRawPointer, byteCount: UInt64) -> HostPhysicalAddress? {
        guard byteCount > 0, byteCount % pageByteCount == 0, byteCount <= Self.regionByteCountMax else { return nil }
        let index: Int
        if let reused = freeRegionIndices.popLast() {
            index = reused
        } else if nextRegionIndex < Self.mmioRegionIndex {
            index = nextRegionIndex
            nextRegionIndex += 1
        } else {
            return nil
        }
        unsafe regions[index] = unsafe Region(base: base, byteCount: byteCount)
        return HostPhysicalAddress(rawValue: UInt64(index) << 36)
    }

    /// Takes the region that begins at `start` away. Later look-ups in it fail.
    ///
    /// - Precondition: `start` came from ``addRegion(base:byteCount:)`` and was not removed yet.
    public func removeRegion(at start: HostPhysicalAddress) {
        let index = Int(start.rawValue >> 36)
        precondition(index > 0 && index < nextRegionIndex, "no region begins at this address")
        unsafe precondition(regions[index].base != nil, "the region was removed before")
        unsafe regions[index] = Region.absent
        freeRegionIndices.append(index)
    }

    /// Where `byteCount` bytes at `address` lie in this process, or `nil` when any of them is not memory.
    @inlinable @inline(__always)
    public func pointer(to address: HostPhysicalAddress, byteCount: UInt64) -> UnsafeMutableRawPointer? {
        let index = Int(truncatingIfNeeded: address.rawValue >> 36)
        guard index < Self.mmioRegionIndex, let base = unsafe regions[index].base else { return nil }
        let offset = address.rawValue & (Self.regionByteCountMax - 1)
        let regionByteCount = unsafe regions[index].byteCount
        guard byteCount <= regionByteCount, offset <= regionByteCount - byteCount else { return nil }
        return unsafe base + Int(truncatingIfNeeded: offset)
    }

    /// The 8 bytes at `address`, read once. `nil` when they are not memory.
    ///
    /// - Parameter address: A multiple of 8.
    @inlinable @inline(__always)
    public func load64(_ address: HostPhysicalAddress) -> UInt64? {
        guard let pointer = unsafe pointer(to: address, byteCount: 8) else { return nil }
        return unsafe UInt64(littleEndian: pointer.loadUnaligned(as: UInt64.self))
    }

    /// What ``load64(_:)`` gives, at less cost for an address in the core's frames.
    ///
    /// - Parameter address: Of an entry of a table: a multiple of 8.
    @inline(__always)
    func loadEntry(_ address: HostPhysicalAddress) -> UInt64? {
        // Both are multiples of 8, so that an entry which begins in the frames ends there.
        guard address.rawValue < frameByteCount else { return load64(address) }
        let pointer = unsafe frames + Int(truncatingIfNeeded: address.rawValue)
        return unsafe UInt64(littleEndian: pointer.loadUnaligned(as: UInt64.self))
    }

    /// The 4 bytes at `address`, read once. `nil` when they are not memory.
    @inlinable @inline(__always)
    public func load32(_ address: HostPhysicalAddress) -> UInt32? {
        guard let pointer = unsafe pointer(to: address, byteCount: 4) else { return nil }
        return unsafe UInt32(littleEndian: pointer.loadUnaligned(as: UInt32.self))
    }

    /// Writes 8 bytes at `address` and returns whether they are memory.
    @inlinable @discardableResult
    public func store64(_ value: UInt64, at address: HostPhysicalAddress) -> Bool {
        guard let pointer = unsafe pointer(to: address, byteCount: 8) else { return false }
        unsafe pointer.storeBytes(of: value.littleEndian, as: UInt64.self)
        return true
    }

    /// Writes 4 bytes at `address` and returns whether they are memory.
    @inlinable @discardableResult
    public func store32(_ value: UInt32, at address: HostPhysicalAddress) -> Bool {
        guard let pointer = unsafe pointer(to: address, byteCount: 4) else { return false }
        unsafe pointer.storeBytes(of: value.littleEndian, as: UInt32.self)
        return true
    }

    /// Sets `bits` in the byte at `address`, the others as they are at that moment, and returns whether it is memory.
    ///
    /// One read and one write of one byte, not a locked operation.
    @inlinable @discardableResult
    public func setBits8(_ bits: UInt8, at address: HostPhysicalAddress) -> Bool {
        guard let pointer = unsafe pointer(to: address, byteCount: 1) else { return false }
        let present = unsafe pointer.load(as: UInt8.self)
        unsafe pointer.storeBytes(of: present | bits, as: UInt8.self)
        return true
    }
}

// MARK: Frames

extension PhysicalMemory {
    /// A zero-filled 4 KiB frame for a table of the core, or `nil` when none is left.
    public func allocateFrame() -> HostPhysicalAddress? {
        if let frame = freeFrames.popLast() { return frame }
        if nextFrameOffset < frameByteCount {
            defer { nextFrameOffset += pageByteCount }
            return HostPhysicalAddress(rawValue: nextFrameOffset)
        }
        guard let run = freeRuns.popLast() else { return nil }
        for index in 1..<run.frameCount {
            freeFrames.append(run.start.advanced(by: UInt64(index) * pageByteCount))
        }
        return run.start
    }

    /// Gives `frame` back. It is zeroed now, so that no table's content outlives its owner.
    ///
    /// - Precondition: `frame` came from ``allocateFrame()`` and was not freed yet.
    public func freeFrame(_ frame: HostPhysicalAddress) {
        zero(frame, frameCount: 1)
        freeFrames.append(frame)
    }

    /// `count` zero-filled frames in a row, for a table larger than a page, or `nil` when no such row is left.
    ///
    /// - Parameter count: At least 2.
    func allocateFrames(count: Int) -> HostPhysicalAddress? {
        if let index = freeRuns.lastIndex(where: { $0.frameCount == count }) {
            return freeRuns.remove(at: index).start
        }
        let byteCount = UInt64(count) * pageByteCount
        guard byteCount <= frameByteCount - nextFrameOffset else { return nil }
        defer { nextFrameOffset += byteCount }
        return HostPhysicalAddress(rawValue: nextFrameOffset)
    }

    /// Gives the row of `count` frames at `start` back, as ``freeFrame(_:)`` does.
    ///
    /// - Precondition: They came from one ``allocateFrames(count:)`` of the same count.
    func freeFrames(_ start: HostPhysicalAddress, count: Int) {
        zero(start, frameCount: count)
        freeRuns.append(FrameRun(start: start, frameCount: count))
    }

    private func zero(_ frame: HostPhysicalAddress, frameCount: Int) {
        let byteCount = UInt64(frameCount) * pageByteCount
        guard let pointer = unsafe pointer(to: frame, byteCount: byteCount),
            frame.rawValue < nextFrameOffset, frame.rawValue % pageByteCount == 0
        else { preconditionFailure("not a frame of this memory") }
        unsafe pointer.initializeMemory(as: UInt64.self, repeating: 0, count: Int(byteCount) / 8)
    }

    /// How many frames are in use: what the leak checks of the tests compare.
    public var frameCountInUse: Int {
        Int(nextFrameOffset / pageByteCount) - freeFrames.count - freeRuns.reduce(0) { $0 + $1.frameCount }
    }
}
