internal import ProtocolMessages

/// Rules of fault injection as a command line gives them: ACTION[=VALUE][,KEY=VALUE]..., several by semicolons.
///
///     retry,count=3
///     fault=2,opcode=3,after=10
///     status=0x22,member=1; retry,chance=0.25,seed=7
///
/// Actions: `retry`, `fault=PAGE`, `partial=BYTES`, `status=CODE`, `halt`, `disable-wq`, `revoke`. Keys: `device`,
/// `opcode`, `wq`, `pasid`, `member`, `after`, `count`, `chance` (0 to 1), `seed`.
struct InjectionRules {
    /// One request for each rule.
    let requests: [WireInjectFaultArguments]

    /// - Throws: ``RuleError`` with what is wrong.
    init(text: String) throws(RuleError) {
        var requests: [WireInjectFaultArguments] = []
        for rule in text.split(separator: ";") { requests.append(try Self.request(String(rule))) }
        guard !requests.isEmpty else { throw RuleError("there is no rule") }
        self.requests = requests
    }

    /// What is wrong with a rule.
    struct RuleError: Error, CustomStringConvertible, Equatable {
        let description: String

        init(_ description: String) {
            self.description = description
        }
    }

    private static func request(_ rule: String) throws(RuleError) -> WireInjectFaultArguments {
        var request = WireInjectFaultArguments()
        let parts = rule.split(separator: ",", omittingEmptySubsequences: false).map(Part.init)
        try setAction(parts[0], in: &request)
        var seen: Set<String> = []
        for part in parts.dropFirst() {
            guard seen.insert(part.key).inserted else { throw RuleError("\(part.key) is given twice") }
            switch part.key {
            case "device":
                guard let name = part.value, !name.isEmpty else { throw RuleError("device needs a name") }
                request.device = name
            case "opcode": request.opcode = try part.number(max: 63)
            case "wq": request.wq = try part.number(max: 63)
            case "pasid": request.pasid = try part.number(max: 0xF_FFFF)
            case "member": request.member = try part.number(max: .max)
            case "after": request.after = try part.wideNumber()
            case "count": request.count = try part.wideNumber()
            case "seed": request.seed = try part.wideNumber()
            case "chance":
                guard let text = part.value, let chance = Double(text), chance > 0, chance <= 1 else {
                    throw RuleError("chance is above 0 and at most 1")
                }
                request.perMillion = UInt32(max((chance * 1_000_000).rounded(), 1))
            default: throw RuleError("there is no key \"\(part.key)\"")
            }
        }
        return request
    }

    private static func setAction(_ part: Part, in request: inout WireInjectFaultArguments) throws(RuleError) {
        switch part.key {
        case "retry": request.action = .retry
        case "halt": request.action = .halt
        case "disable-wq": request.action = .disableWq
        case "revoke": request.action = .revokePasid
        case "fault": request.action = .pageFault
        case "partial": request.action = .partial
        case "status": request.action = .status
        default: throw RuleError("there is no action \"\(part.key)\"")
        }
        switch request.action {
        case .pageFault, .partial: request.value = try part.number(max: .max)
        case .status: request.value = try part.number(max: 255)
        default:
            guard part.value == nil else { throw RuleError("\(part.key) has no value") }
        }
    }

    /// `KEY` or `KEY=VALUE`.
    private struct Part {
        let key: String
        let value: String?

        init(_ text: Substring) {
            let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { String($0.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()) }
            key = halves[0]
            value = halves.count > 1 ? halves[1] : nil
        }

        func wideNumber() throws(RuleError) -> UInt64 {
            let text = value ?? ""
            let number = text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
            guard let number else { throw RuleError("\(key) needs a number, not \"\(text)\"") }
            return number
        }

        func number(max: UInt32) throws(RuleError) -> UInt32 {
            let number = try wideNumber()
            guard number <= UInt64(max) else { throw RuleError("\(key) is at most \(max)") }
            return UInt32(number)
        }
    }
}
