internal import FoundationEssentials
internal import Platform

/// What a participant tells the process that started it.
enum ParticipantMessage: Codable {
    /// Set up, and waiting to submit.
    case prepared(Participation)
    /// The WQ was full.
    case retried
    /// Everything submitted, completed and checked.
    case finished(Totals)
    /// It cannot go on.
    case failed(String)
}

/// What a participant is told.
enum ParticipantOrder: String, Codable {
    /// Submit until the WQ is full.
    case fillQueue
    /// Submit everything.
    case run
    /// Undo what was bound, and end.
    case leave
}

/// Who a participant is to the daemon.
struct Participation: Codable {
    /// The VM of a guest.
    var vm: UInt32?
    /// The process of the host user.
    var process: UInt32?
    /// `nil` for the host user.
    var guestPASID: UInt32?
    /// What the wire carries.
    var hostPASID: UInt32
    /// What ENQCMD did under a guest PASID that nobody bound; `nil` if that was not tried.
    var unboundSubmission: String?
}

/// Lines between a participant and the process that started it; they end when either does.
struct ControlChannel: ~Copyable {
    private var connection: ClientConnection

    /// - Parameter descriptor: One end of a stream connection, blocking.
    init(adopting descriptor: consuming OwnedFD) throws {
        connection = ClientConnection(adopting: StreamSocket(adopting: descriptor))
        try connection.setReceiveTimeout(milliseconds: Setting.patienceMilliseconds)
    }

    func send(_ message: some Encodable) throws {
        try connection.send(line: String(decoding: JSONEncoder().encode(message), as: UTF8.self))
    }

    mutating func receive<Message: Decodable>(_ type: Message.Type = Message.self) throws -> Message {
        guard let line = try connection.readLine() else { throw DemoError("the other process has ended") }
        return try JSONDecoder().decode(Message.self, from: Data(line))
    }
}
