import Simulation
import TestKit
import Testing

@Suite("Deterministic simulation")
struct SimulationTests {
    /// 1,000 seeds of 1,000 steps, and the steps in which everything ends.
    private static let seedCount = 1000
    private static let stepCount = 1000

    @Test func `V-07 V-08 V-09 V-10 V-11 V-12 V-15: no interleaving of a million micro-steps breaks an invariant`()
        throws
    {
        var coverage = Coverage()
        for seed in PropertyScale.seeds(Self.seedCount) {
            let platform = Platform(seed: seed)
            do throws(Violation) {
                try platform.run(steps: Self.stepCount)
            } catch {
                Issue.record("\(error)")
                return
            }
            coverage += platform.coverage
        }
        print("simulation: \(coverage)")
        // It came across what it is to test.
        #expect(coverage.steps >= PropertyScale.of(Self.seedCount) * Self.stepCount)
        let seen = [
            coverage.gateWaits, coverage.kicks, coverage.haltedBystanders, coverage.accepted, coverage.skipped,
            coverage.binds, coverage.unbinds, coverage.frees, coverage.contended, coverage.deaths,
        ]
        #expect(seen.allSatisfy { $0 > PropertyScale.of(100) })
    }

    @Test func `A seed decides everything: the same one takes the same steps, another takes others`() throws {
        var fingerprints: Set<UInt64> = []
        for seed: UInt64 in 0..<20 {
            let runs = try (0..<2).map { _ in
                let platform = Platform(seed: seed)
                try platform.run(steps: 500)
                return platform.fingerprint
            }
            #expect(runs[0] == runs[1], "seed \(seed)")
            fingerprints.insert(runs[0])
        }
        #expect(fingerprints.count == 20)
    }

    /// The rules by which each mistake may be found.
    private static let rules: [Mutation: Set<String>] = [
        .editorWithoutBarrier: ["V-08", "V-09"], .entryWithoutBarrier: ["V-08", "V-09"],
        .drainBeforeRemoval: ["V-07", "D-08"], .missingInvalidation: ["M-04"], .unbindAfterClearing: ["V-07"],
    ]

    @Test(arguments: Mutation.allCases)
    func `V-07 V-08 I-08 M-04: a mistake that was made on purpose is found`(mutation: Mutation) throws {
        let expected = try #require(Self.rules[mutation])
        for seed: UInt64 in 0..<500 {
            do throws(Violation) {
                try Platform(seed: seed, mutation: mutation).run(steps: 2000)
            } catch {
                #expect(expected.contains(error.rule), "found otherwise: \(error)")
                print("\(mutation.rawValue): \(error)")
                // The seed finds it again, at the same step.
                let again = #expect(throws: Violation.self) {
                    try Platform(seed: seed, mutation: mutation).run(steps: 2000)
                }
                #expect(again?.description == error.description)
                return
            }
        }
        Issue.record("500 seeds did not find \(mutation.rawValue)")
    }
}
