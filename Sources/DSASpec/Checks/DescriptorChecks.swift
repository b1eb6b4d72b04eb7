import PCIe

/// The checks that precede execution (DSA 3.0 §5.4): one table of rules serves the device, which wants the first
/// failure, and `swqctl explain`, which wants all.
public enum DescriptorChecks {
    /// The first rule that `descriptor` breaks in the order of the context's open points, or `nil` when it may be
    /// executed. Allocates nothing.
    public static func firstFailure(of descriptor: Descriptor, in context: CheckContext) -> CheckFailure? {
        if let examination = Examination(descriptor, context), !examination.findsAny { return nil }
        return firstFailure(of: descriptor, in: context, order: CheckOrder(context.openPoints.checkOrder))
    }

    /// The first rule that `descriptor` breaks in `order`, or `nil`. Allocates nothing.
    @inline(never)
    public static func firstFailure(
        of descriptor: Descriptor, in context: CheckContext, order: CheckOrder
    ) -> CheckFailure? {
        var first: CheckFailure?
        _ = visit(descriptor, context, order) { failure in
            first = failure
            return .stop
        }
        return first
    }

    /// Every rule that `descriptor` breaks, in the order of checking, which is that of the context's open points unless
    /// another is given. An operation that is not emulated ends the list: nothing is known about its other bytes.
    public static func allFailures(
        of descriptor: Descriptor, in context: CheckContext, order: CheckOrder? = nil
    ) -> [CheckFailure] {
        var failures: [CheckFailure] = []
        _ = visit(descriptor, context, order ?? CheckOrder(context.openPoints.checkOrder)) { failure in
            failures.append(failure)
            return .proceed
        }
        return failures
    }

    /// Reports each broken rule in order until `report` returns `.stop`.
    private static func visit(
        _ descriptor: Descriptor, _ context: CheckContext, _ order: CheckOrder, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        if visitPrivilege(descriptor, context, report) == .stop { return .stop }
        if visitRecordAddress(descriptor, context, report) == .stop { return .stop }
        guard let examination = Examination(descriptor, context) else {
            return report(CheckFailure(.unsupportedOperation, bytes: 7...7))
        }
        for index in order.groups.indices {
            if examination.visit(order.groups[index], report) == .stop { return .stop }
        }
        return .proceed
    }

    /// What a report wants.
    enum Visit {
        case proceed
        case stop
    }
}

/// One descriptor of an operation that has a row in the table, with that row and what it is checked against.
struct Examination {
    typealias Visit = DescriptorChecks.Visit

    let descriptor: Descriptor
    let context: CheckContext
    let flags: UInt32
    let rule: OperationRule

    /// `nil` when the operation is not emulated.
    @inline(__always)
    init?(_ descriptor: Descriptor, _ context: CheckContext) {
        let flags = descriptor.flags.rawValue
        guard let rule = OperationRule(descriptor.opcode, flags: flags) else { return nil }
        self.descriptor = descriptor
        self.context = context
        self.flags = flags
        self.rule = rule
    }

    /// Whether any rule is broken. Their order does not matter to a descriptor that breaks none, so what every
    /// descriptor passes through is this, spelled out for the compiler, and not the table.
    @inline(__always) var findsAny: Bool {
        let stop: (CheckFailure) -> Visit = { _ in .stop }
        return DescriptorChecks.visitPrivilege(descriptor, context, stop) == .stop
            || DescriptorChecks.visitRecordAddress(descriptor, context, stop) == .stop
            || visitOperation(stop) == .stop || visitFlags(stop) == .stop || visitReserved(stop) == .stop
            || visitInterruptHandle(stop) == .stop || visitTrafficClass(stop) == .stop || visitSize(stop) == .stop
            || visitDeltaRecordSize(stop) == .stop || visitAlignment(stop) == .stop || visitOverlap(stop) == .stop
    }

    /// Reports each broken rule of `group` until `report` returns `.stop`.
    func visit(_ group: CheckGroup, _ report: (CheckFailure) -> Visit) -> Visit {
        switch group {
        case .operation: visitOperation(report)
        case .flags: visitFlags(report)
        case .reservedFields: visitReserved(report)
        case .interruptHandle: visitInterruptHandle(report)
        case .trafficClass: visitTrafficClass(report)
        case .size: visitSize(report)
        case .deltaRecordSize: visitDeltaRecordSize(report)
        case .alignment: visitAlignment(report)
        case .overlap: visitOverlap(report)
        }
    }
}

/// Masks of ``DescriptorFlags``, as integers for the hot path.
enum FlagMask {
    static var fence: UInt32 { 1 << 0 }
    static var blockOnFault: UInt32 { 1 << 1 }
    static var recordAddressValid: UInt32 { 1 << 2 }
    static var recordRequest: UInt32 { 1 << 3 }
    static var interrupt: UInt32 { 1 << 4 }
    static var cacheControl: UInt32 { 1 << 8 }
    static var addressClasses: UInt32 { 0b111 << 9 }
    static var recordClass: UInt32 { 1 << 12 }
    static var destinationReadback: UInt32 { 1 << 14 }
    /// Never defined before DSA 3.0, or removed with DSA 2.0.
    static var undefined: UInt32 { 1 << 5 | 1 << 6 | 1 << 15 }
    /// DSA 1: of the completion record and of the destination.
    static var steeringTags: UInt32 { 1 << 5 | 1 << 15 }
    /// DSA 1: of a Dualcast's second destination.
    static var secondSteeringTag: UInt32 { 1 << 16 }
}

// MARK: Before all groups

extension DescriptorChecks {
    @inline(__always)
    static func visitPrivilege(
        _ descriptor: Descriptor, _ context: CheckContext, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        guard context.isShared, !context.isBatchMember, descriptor.isPrivileged, !context.isPrivilegedModeEnabled
        else { return .proceed }
        return report(CheckFailure(.privilegedWithoutMode, bytes: 3...3))
    }

    @inline(__always)
    static func visitRecordAddress(
        _ descriptor: Descriptor, _ context: CheckContext, _ report: (CheckFailure) -> Visit
    ) -> Visit {
        let flags = descriptor.flags.rawValue
        guard flags & FlagMask.recordAddressValid != 0 else { return .proceed }
        if descriptor.completionRecordAddress.rawValue & 31 != 0 {
            if report(CheckFailure(.completionRecordMisaligned, bytes: 8...15)) == .stop { return .stop }
        }
        guard context.lacksClass(flags, selectors: FlagMask.recordClass) else { return .proceed }
        return report(CheckFailure(.completionRecordTrafficClass, bytes: 4...6))
    }
}

extension CheckContext {
    /// Whether one of the used `selectors` picks a traffic class that is not enabled.
    @inline(__always)
    func lacksClass(_ flags: UInt32, selectors: UInt32) -> Bool {
        !isTrafficClassAEnabled && ~flags & selectors != 0 || !isTrafficClassBEnabled && flags & selectors != 0
    }
}

// MARK: Short groups

extension Examination {
    @inline(__always)
    func visitOperation(_ report: (CheckFailure) -> Visit) -> Visit {
        if !context.operations.contains(descriptor.opcode) {
            if report(CheckFailure(.unsupportedOperation, bytes: 7...7)) == .stop { return .stop }
        }
        if descriptor.opcode == .translationFetch, !context.isTranslationServiceEnabled {
            if report(CheckFailure(.translationServiceDisabled, bytes: 7...7)) == .stop { return .stop }
        }
        guard context.isBatchMember, !rule.mayBeBatchMember else { return .proceed }
        return report(CheckFailure(.operationInBatch, bytes: 7...7))
    }

    @inline(__always)
    func visitInterruptHandle(_ report: (CheckFailure) -> Visit) -> Visit {
        guard flags & FlagMask.interrupt != 0 else { return .proceed }
        if descriptor.completionInterruptHandle >= context.interruptHandleCount {
            return report(CheckFailure(.interruptHandleOutOfRange, bytes: 36...37))
        }
        guard !context.isInterruptHandleGranted else { return .proceed }
        return report(CheckFailure(.interruptHandleNotGranted, bytes: 36...37))
    }

    @inline(__always)
    func visitTrafficClass(_ report: (CheckFailure) -> Visit) -> Visit {
        let selectors = rule.allowedFlags & ~rule.unusedSelectors & FlagMask.addressClasses
        guard context.lacksClass(flags, selectors: selectors) else { return .proceed }
        return report(CheckFailure(.trafficClass, bytes: 4...6))
    }
}
