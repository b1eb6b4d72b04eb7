import DSA
import DSASpec
import PCIe
import Testing

private let source: UInt64 = 0x7F00_0000_0000
private let target: UInt64 = 0x7F00_1000_0000

/// Two buffers of four pages, the source in physical pages from 0 on, the target in those of `targetPages`.
private func fixture(targetPages: [Int?] = [4, 5, 6, 7]) throws -> OperationsFixture {
    let fixture = try OperationsFixture(pageCount: 8)
    var generator = OperationsGenerator(seed: 3)
    for page in 0..<4 {
        try fixture.map(source + UInt64(page) * 4096, toPage: page)
        fixture.setBytes(ofPage: page, to: generator.bytes(4096))
        guard let physical = targetPages[page] else { continue }
        try fixture.map(target + UInt64(page) * 4096, toPage: physical)
    }
    return fixture
}

private let move = descriptor(.memoryMove, source: source + 100, destination: target + 7, size: 12_000)

@Suite("Short operations")
struct ShortOperationTests {
    @Test func `Buffers that lie each in one piece are moved in one go`() throws {
        let fixture = try fixture()
        #expect(fixture.runShort(move) == CompletionRecord(status: .success))
        #expect(fixture.read(12_000, at: target + 7) == fixture.read(12_000, at: source + 100))
        #expect(fixture.read(7, at: target).allSatisfy { $0 == 0 })
        #expect(fixture.read(4096 * 4 - 12_007, at: target + 12_007).allSatisfy { $0 == 0 })
    }

    @Test func `A buffer in several pieces is left to windows, which give the same`() throws {
        let fixture = try fixture(targetPages: [4, 6, 5, 7])
        #expect(fixture.runShort(move) == nil)
        #expect(fixture.read(4096 * 4, at: target).allSatisfy { $0 == 0 }, "nothing has happened")
        #expect(fixture.run(move, isDirect: true) == CompletionRecord(status: .success))
        #expect(fixture.read(12_000, at: target + 7) == fixture.read(12_000, at: source + 100))
    }

    @Test func `A fault is left to windows, which report it at its byte`() throws {
        let fixture = try fixture(targetPages: [4, 5, nil, 7])
        #expect(fixture.runShort(move) == nil)
        #expect(fixture.read(4096 * 2, at: target).allSatisfy { $0 == 0 }, "nothing has happened")
        let record = fixture.run(move, isDirect: true)
        #expect(record.status == .pageFault)
        #expect(record.bytesCompleted == 8192 - 7)
        #expect(record.faultAddress.rawValue == target + 8192)
    }

    @Test func `A page that is taken away after it was used is not used again`() throws {
        let fixture = try fixture()
        #expect(fixture.runShort(move) != nil)
        try fixture.unmap(target + 4096)
        #expect(fixture.runShort(move) == nil)
        #expect(fixture.run(move, isDirect: true).bytesCompleted == 4096 - 7)
    }

    @Test(arguments: [
        move.with { $0.destinationAddress = LinearAddress(rawValue: source + 101) },
        move.with { $0.flags.insert(.destinationReadback) },
        descriptor(.compare, .checkResult, source: source, destination: source, size: 100),
        descriptor(.crcGeneration, .readCRCSeed, source: source, size: 100),
        descriptor(.memoryMove, source: source, destination: target, size: Device.inlineWindowByteCountMax + 1),
        descriptor(.cacheFlush, destination: target, size: 100),
    ])
    func `What needs more than one kernel on whole buffers is left to windows`(descriptor: Descriptor) throws {
        #expect(try fixture().runShort(descriptor) == nil)
    }
}
