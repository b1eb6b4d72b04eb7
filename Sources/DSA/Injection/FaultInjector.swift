internal import DSASpec
internal import PCIe

/// The failures that one device is made to show. Nothing but a flag is looked at while there is no rule.
///
/// The same rules and the same descriptors give the same failures: a seed reproduces them.
public struct FaultInjector: Sendable {
    /// A rule in force, and what it has done.
    public struct Armed: Sendable {
        /// The number that the driver gave it.
        public let id: UInt32
        /// The rule.
        public let rule: InjectionRule
        /// Descriptors that it matched.
        public internal(set) var matchCount: UInt64 = 0
        /// Descriptors that met the failure.
        public internal(set) var injectionCount: UInt64 = 0

        /// It has no descriptor left to do anything to.
        public var isSpent: Bool { rule.count.map { injectionCount >= $0 } ?? false }
    }

    /// The rules, in the order in which they are tried: the first that fires counts.
    public private(set) var rules: [Armed] = []
    /// Some rule answers DMWrs.
    private(set) var guardsPortals = false
    /// Some rule concerns descriptors in engines.
    private(set) var guardsEngines = false
    /// The step ends here, so that the driver acts before the descriptor goes on.
    var interruptsStep = false

    /// No failures.
    public init() {}

    /// Adds a rule behind the others.
    public mutating func add(_ rule: InjectionRule, id: UInt32) {
        rules.append(Armed(id: id, rule: rule))
        refresh()
    }

    /// Removes a rule. Returns what it has done, or `nil` when there is none of this number.
    public mutating func remove(_ id: UInt32) -> Armed? {
        guard let index = rules.firstIndex(where: { $0.id == id }) else { return nil }
        defer { refresh() }
        return rules.remove(at: index)
    }

    private mutating func refresh() {
        guardsPortals = rules.contains { $0.rule.action == .retry && !$0.isSpent }
        guardsEngines = rules.contains { $0.rule.action != .retry && !$0.isSpent }
    }

    /// Whether a DMWr that would be accepted is answered Retry.
    mutating func answersRetry(_ candidate: InjectionCandidate) -> Bool {
        fire(candidate, atPortal: true) != nil
    }

    /// What happens to a descriptor that an engine begins.
    mutating func action(for candidate: InjectionCandidate) -> InjectionRule.Action? {
        fire(candidate, atPortal: false)
    }

    private mutating func fire(_ candidate: InjectionCandidate, atPortal: Bool) -> InjectionRule.Action? {
        for index in rules.indices {
            let rule = rules[index].rule
            guard (rule.action == .retry) == atPortal, !rules[index].isSpent, rule.matches(candidate) else { continue }
            let place = rules[index].matchCount
            rules[index].matchCount += 1
            guard place >= rule.skipped, rule.chooses(place - rule.skipped) else { continue }
            rules[index].injectionCount += 1
            if rules[index].isSpent { refresh() }
            return rule.action
        }
        return nil
    }
}
