import DSAOracle
import Glibc
import IOMMU
import PCIe

/// Physical pages in an order that mixes the spaces, so that neighbours in physical memory belong to different PASIDs.
/// What nobody takes is a canary.
@safe
final class FramePool {
    private static let canary: UInt8 = 0xA5

    private let bytes: UnsafeMutableRawPointer
    private let count: Int
    private let region: HostPhysicalAddress
    private var free: [Int]

    init(count: Int, memory: PhysicalMemory, dice: inout Dice) {
        self.count = count
        unsafe bytes = .allocate(byteCount: count * 4096, alignment: 4096)
        unsafe bytes.initializeMemory(as: UInt8.self, repeating: Self.canary, count: count * 4096)
        guard let region = unsafe memory.addRegion(base: bytes, byteCount: UInt64(count * 4096)) else {
            preconditionFailure("a test has few regions")
        }
        self.region = region
        free = (0..<count).shuffled(using: &dice)
    }

    deinit {
        unsafe bytes.deallocate()
    }

    func take() -> Int {
        guard let number = free.popLast() else { preconditionFailure("the pool is made for its spaces") }
        return number
    }

    func address(of number: Int) -> HostPhysicalAddress { region.advanced(by: UInt64(number) * 4096) }

    func pointer(to number: Int) -> UnsafeMutableRawPointer { unsafe bytes + number * 4096 }

    /// Whether no byte of the frames that nobody took has changed.
    var areCanariesIntact: Bool {
        let untouched = [UInt8](repeating: Self.canary, count: 4096)
        return free.allSatisfy { number in unsafe memcmp(pointer(to: number), untouched, 4096) == 0 }
    }
}
