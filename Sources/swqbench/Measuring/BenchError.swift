internal import CLoadGenerator

/// Why a row could not be measured, for people.
struct BenchError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }

    /// What the last call of the load generator on this thread said.
    static var ofLoadGenerator: BenchError {
        BenchError(unsafe String(cString: bench_failure()))
    }

    /// Throws unless `result` is that of a call that succeeded.
    @discardableResult
    static func check(_ result: Int32) throws(BenchError) -> Int32 {
        guard result >= 0 else { throw .ofLoadGenerator }
        return result
    }
}
