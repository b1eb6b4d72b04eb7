import Foundation
import Protocol
import ProtocolMessages
import SwiftProtobuf
import Testing

@testable import swqctl

@Suite struct `Text table` {
    @Test func `Columns are as wide as their widest cell, and no line ends with a space`() {
        let text = TextTable.text([.right("N"), .left("NAME"), .left("X")], [["7", "a", ""], ["10", "longer", "y"]])
        #expect(text == " N  NAME    X\n 7  a\n10  longer  y\n")
    }

    @Test func `A table without rows is its heading`() {
        #expect(TextTable.text([.left("A"), .right("B")], []) == "A  B\n")
    }

    @Test func `Rows that come later stand below the same heading, in columns that only grow`() {
        var table = TextTable([.right("N"), .left("Z")])
        #expect(table.text([["100", "a"]]) == "  N  Z\n100  a\n")
        #expect(table.text([["1", "b"]]) == "  1  b\n")
        #expect(table.text([["1000", "c"], ["1", "d"]]) == "1000  c\n   1  d\n")
    }

    @Test(arguments: ["\u{1B}[2J", "a\nb", "\u{9B}31m", "\u{202E}txt", "\u{7F}"])
    func `What a terminal would obey is shown by its number`(name: String) {
        let text = TextTable.text([.left("NAME")], [[name]])
        #expect(text.hasPrefix("NAME\n"))
        #expect(text.contains("\\u{"))
        #expect(text.unicodeScalars.allSatisfy { $0 == "\n" || $0.properties.generalCategory != .control })
        #expect(!text.contains("\u{202E}"))
        #expect(text.split(separator: "\n").count == 2)
    }
}

@Suite struct `Wire table` {
    /// Each table, the message whose members it shows, and those it leaves to other tables.
    static let tables: [(String, [WireTable.Column], Set<String>)] = [
        (
            "DeviceStatus", DeviceTables.devices, ["operations", "wqs", "engines", "groups", "softwareError"]
        ),
        ("WqStatus", DeviceTables.queues, []),
        ("EngineStatus", DeviceTables.engines, []),
        ("GroupStatus", DeviceTables.groups, []),
        ("IoasidStatus", IOASIDsCommand.columns, []),
        ("IoasidSetStatus", IOASIDSetsCommand.columns, []),
        ("MemoryRegion", MemoryCommand.columns, []),
        ("HistoryEvent", HistoryPages.events, []),
        ("Binding", HistoryPages.bindings, []),
    ]

    @Test(arguments: tables.indices)
    func `A table shows every member of its message, once`(index: Int) throws {
        let (message, columns, elsewhere) = Self.tables[index]
        let shown = columns.map(\.member)
        #expect(Set(shown).count == shown.count)
        #expect(try Set(shown).union(elsewhere) == members(of: message), "\(message)")
    }

    @Test func `Absent members are dashes, arrays are lists, flags are words and powers are written as such`() throws {
        let objects = try JSONValue(
            parsing: Array(#"[{"a": "x", "b": true, "c": ["p", 2], "d": 31}, {"b": false, "c": []}]"#.utf8))
        let columns: [WireTable.Column] = [.left("A", "a"), .left("B", "b"), .left("C", "c"), .power("D", "d")]
        #expect(WireTable.text(columns, objects) == "A  B    C       D\nx  yes  p,2  2^31\n-  no   -       -\n")
    }

    @Test func `An absent array has no rows`() {
        #expect(WireTable.text([.left("A", "a")], nil) == "A\n")
    }

    @Test func `Unused WQs and groups are counted, not listed`() throws {
        let devices = try JSONValue(
            parsing: Array(
                """
                [{"name": "dsa0", "wqs": [{"index": 0, "size": 4}, {"index": 1, "size": 0}, {"index": 2, "size": 0}],
                "engines": [{"index": 0}], "groups": [{"index": 0, "wqs": [0]}, {"index": 1}],
                "softwareError": {"code": 17}}]
                """.utf8))
        let text = DeviceTables.text(devices)
        #expect(text.contains("\n(2 more, without entries)\n"))
        #expect(text.contains("\n(1 more, empty)\n"))
        #expect(text.hasSuffix("SWERROR  code=17\n"))
    }

    /// Names on the wire of a message's fields, from the definitions.
    private func members(of message: String) throws -> Set<String> {
        let base64 = fileDescriptorSetBase64.description
        let serialized = try #require(Data(base64Encoded: base64))
        let files = try Google_Protobuf_FileDescriptorSet(serializedBytes: serialized).file
        let descriptor = try #require(files.flatMap(\.messageType).first { $0.name == message })
        return Set(descriptor.field.map(\.jsonName))
    }
}

@Suite struct `Wire text` {
    @Test func `The members of an object are written by the words of their names`() throws {
        let object = try JSONValue(parsing: Array(#"{"lastDurableSequence": "42", "inFlight": 0}"#.utf8))
        #expect(WireText.members(object) == "last durable sequence  42\nin flight              0\n")
    }

    @Test func `An event is one line: time in microseconds, name, data`() throws {
        let data = try JSONValue(parsing: Array(#"{"ioasid": 7, "cause": "request"}"#.utf8))
        let timestamp = EventTimestamp(seconds: 1, microseconds: 20)
        #expect(
            EventLine.text("IOASID_BIND", timestamp, data)
                == "1970-01-01T00:00:01.000020Z  IOASID_BIND           ioasid=7 cause=request\n")
        #expect(EventLine.text("SHUTDOWN", timestamp, .object([])) == "1970-01-01T00:00:01.000020Z  SHUTDOWN\n")
    }

    @Test func `An event may be named as it is on the wire or in kebab case`() {
        #expect(EventLine.wireName("ioasid-bind") == "IOASID_BIND")
        #expect(EventLine.wireName("WQ_STATE") == "WQ_STATE")
        #expect(EventLine.wireName("*") == "*")
    }
}
