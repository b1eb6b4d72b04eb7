/// What software configures of a group: the membership bitmaps of GRPCFG (DSA 3.0 §9.2.13, dsa-device 6.5).
///
/// A group needs both WQs and engines, or neither; a WQ with a size belongs to exactly one group, an engine to at most
/// one. Enable Device checks it.
public struct GroupConfiguration: Hashable, Sendable {
    /// Bit n: WQ n.
    public var workQueues: UInt64
    /// Bit n: engine n.
    public var engines: UInt64

    /// A group of the WQs and engines whose bits are 1, by default of none.
    public init(workQueues: UInt64 = 0, engines: UInt64 = 0) {
        self.workQueues = workQueues
        self.engines = engines
    }
}
