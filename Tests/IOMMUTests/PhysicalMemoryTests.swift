import IOMMU
import PCIe
import Testing

@Suite("Physical memory")
struct PhysicalMemoryTests {
    let test = TestMemory(frameCount: 4)

    @Test func `A region's index is in bits 51 to 36 of its addresses`() {
        #expect(test.addRAM(pageCount: 1).start.rawValue == 1 << 36)
        #expect(test.addRAM(pageCount: 1).start.rawValue == 2 << 36)
    }

    @Test func `Bytes are memory exactly within a region`() {
        let ram = test.addRAM(pageCount: 2)
        let memory = test.physical
        #expect(unsafe memory.pointer(to: ram.start, byteCount: 8192) != nil)
        #expect(unsafe memory.pointer(to: ram.start, byteCount: 8193) == nil)
        #expect(unsafe memory.pointer(to: ram.start.advanced(by: 8191), byteCount: 1) != nil)
        #expect(unsafe memory.pointer(to: ram.start.advanced(by: 8191), byteCount: 2) == nil)
        #expect(unsafe memory.pointer(to: ram.end, byteCount: 0) != nil)
        #expect(unsafe memory.pointer(to: ram.end.advanced(by: 1), byteCount: 0) == nil)
        #expect(unsafe memory.pointer(to: ram.start, byteCount: .max) == nil)
        #expect(unsafe memory.pointer(to: HostPhysicalAddress(rawValue: 7 << 36), byteCount: 1) == nil)
        let device = HostPhysicalAddress(rawValue: UInt64(PhysicalMemory.mmioRegionIndex) << 36)
        #expect(unsafe memory.pointer(to: device, byteCount: 1) == nil)
        #expect(unsafe memory.pointer(to: HostPhysicalAddress(rawValue: .max), byteCount: 1) == nil)
    }

    @Test func `Words are little-endian, and setting bits leaves the others`() {
        let ram = test.addRAM(pageCount: 1)
        ram[8] = 0x0807_0605_0403_0201
        #expect(test.bytes(at: ram.start.advanced(by: 8), count: 8) == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(test.physical.load32(ram.start.advanced(by: 12)) == 0x0807_0605)
        #expect(test.physical.setBits8(0x60, at: ram.start.advanced(by: 9)))
        #expect(ram[8] == 0x0807_0605_0403_6201)
        #expect(!test.physical.setBits8(0x60, at: ram.end))
        #expect(!test.physical.store32(1, at: ram.end) && !test.physical.store64(1, at: ram.end))
    }

    @Test func `A removed region is no memory, and its index is used again`() {
        let ram = test.addRAM(pageCount: 1)
        test.physical.removeRegion(at: ram.start)
        #expect(test.physical.load64(ram.start) == nil)
        #expect(test.addRAM(pageCount: 2).start == ram.start)
    }

    @Test func `A frame that comes back is zeroed before it is given out again`() throws {
        let memory = test.physical
        let frame = try #require(memory.allocateFrame())
        memory.store64(.max, at: frame.advanced(by: 4088))
        memory.freeFrame(frame)
        #expect(memory.load64(frame.advanced(by: 4088)) == 0)
        #expect(memory.frameCountInUse == 0)
        #expect(memory.allocateFrame() == frame)
    }

    @Test func `Frames run out, and every one of them can be had again`() {
        let memory = test.physical
        let frames = (0..<4).compactMap { _ in memory.allocateFrame() }
        #expect(Set(frames).count == 4)
        #expect(memory.allocateFrame() == nil)
        for frame in frames { memory.freeFrame(frame) }
        #expect(Set((0..<4).compactMap { _ in memory.allocateFrame() }) == Set(frames))
    }

    @Test func `The frames of a directory serve as single frames when no other is left`() throws {
        let memory = PhysicalMemory(frameCount: 39)
        do {
            let iommu = try TestIOMMU(memory: memory)
            let requester = RequesterID(rawValue: 0)
            #expect(iommu.enableRequester(requester))
            iommu.disableRequester(requester)
            #expect(iommu.enableRequester(requester))
            iommu.disableRequester(requester)
            let frames = (0..<34).compactMap { _ in memory.allocateFrame() }
            #expect(Set(frames).count == 34)
            #expect(memory.allocateFrame() == nil)
            for frame in frames { memory.freeFrame(frame) }
        }
        #expect(memory.frameCountInUse == 0)
    }
}
