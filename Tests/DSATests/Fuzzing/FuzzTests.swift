import DSA
import DSASpec
import TestKit
import Testing

/// Bounded fuzzing with a printed seed; `SWQD_PROPERTY_SCALE` says how much. A trap would end the run, and the
/// sanitizers' builds look for what the guards do not see.
@Suite("Fuzzing")
struct FuzzTests {
    private static let seedCount = 32
    private static let actionCount = 3000

    private func run(seed: UInt64, ownsRegisters: Bool) throws -> FuzzDriver {
        let driver = try FuzzDriver(seed: seed, ownsRegisters: ownsRegisters)
        for _ in 0..<Self.actionCount {
            try driver.act()
            driver.check()
        }
        driver.settle()
        return driver
    }

    @Test(arguments: PropertyScale.seeds(seedCount))
    func `D-02 D-10 D-11: mutated descriptors and batch lists reach no memory but their PASID's, and all end`(
        seed: UInt64
    ) throws {
        let driver = try run(seed: seed, ownsRegisters: false)
        // The run has met what it is there for. How much depends on the seed: one that holds its engines early meets
        // the fewest, some 17.
        #expect(driver.mutator.endCount > 12, "seed \(seed): \(driver.mutator.endCount) different ends")
    }

    @Test(arguments: PropertyScale.seeds(seedCount))
    func `D-02 D-11: nor do they beside random register accesses, commands, halts and resets`(seed: UInt64) throws {
        _ = try run(seed: seed, ownsRegisters: true)
    }
}
