import Testing

@testable import swqctl

@Suite struct `Time argument` {
    /// 2026-01-31T12:00:00Z
    private let now: Int64 = 1_769_860_800_000_000_000

    @Test(arguments: [
        ("2026-01-31T23:59:59Z", "2026-01-31T23:59:59Z"),
        ("2026-01-31T23:59:59.123456789Z", "2026-01-31T23:59:59.123456789Z"),
        ("2024-02-29", "2024-02-29T00:00:00Z"),
        ("0s", "2026-01-31T12:00:00.000000000Z"),
        ("90s", "2026-01-31T11:58:30.000000000Z"),
        ("10m", "2026-01-31T11:50:00.000000000Z"),
        ("2h", "2026-01-31T10:00:00.000000000Z"),
        ("31d", "2025-12-31T12:00:00.000000000Z"),
    ])
    func `A time is RFC 3339 in UTC, a date, or an age`(text: String, wire: String) {
        #expect(TimeArgument(text, now: now)?.wire == wire)
    }

    @Test(arguments: [
        "", "now", "2026-02-30", "2026-01-31T12:00:00", "2026-01-31T12:00:00+01:00", "10", "m", "-5m", "+5m", "1.5h",
        "99999999999999999999s", "9223372036854775807d", "30000d", "5 m", "٣m",
    ])
    func `Nothing else is a time, nor is one before 1970`(text: String) {
        #expect(TimeArgument(text, now: now) == nil)
    }
}

@Suite struct `Part name` {
    @Test(
        arguments: [("dsa0/1", "dsa0", 1), ("dsa0/wq0.1", "dsa0", 1), ("dsa12/wq12.255", "dsa12", 255)]
            as [(String, String, UInt32)])
    func `A WQ is named by device and index, or as accel-config does`(text: String, device: String, index: UInt32) {
        let name = WQName(argument: text)
        #expect(name?.device == device)
        #expect(name?.index == index)
    }

    @Test(arguments: [
        "", "dsa0", "dsa0/", "/1", "dsa0/256", "dsa0/-1", "dsa0/+1", "dsa0/1/2", "dsa0/wq1.1", "dsa0/wq0", "dsa0/wq0.",
        "dsa0/engine0.1", "dsa0/wq0.1.2", "dsa0/x",
    ])
    func `Anything else names no WQ`(text: String) {
        #expect(WQName(argument: text) == nil)
    }

    @Test func `An engine may be one of a device or all of them`() {
        #expect(EngineName(argument: "dsa0")?.index == nil)
        #expect(EngineName(argument: "dsa0")?.device == "dsa0")
        #expect(EngineName(argument: "dsa0/3")?.index == 3)
        #expect(EngineName(argument: "dsa0/engine0.3")?.index == 3)
        #expect(EngineName(argument: "dsa0/wq0.3") == nil)
    }

    @Test(arguments: [(0, 0x00001), (15, 0x08000), (16, 0x10001), (63, 0x38000), (255, 0xF8000)] as [(UInt32, UInt32)])
    func `The operand for one WQ has its bit and its group of 16`(index: UInt32, operand: UInt32) {
        #expect(WQBitmap.operand(index) == operand)
    }
}

@Suite struct `Binary input` {
    private let bytes = (UInt8(0)..<32).map { $0 &* 37 }

    private var digits: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    @Test func `Hexadecimal digits are taken with prefix, groups, white space and either case`() throws {
        let pairs = stride(from: 0, to: 64, by: 2).map { String(Array(digits)[$0...$0 + 1]) }
        for text in [
            digits, "0x" + digits, digits.uppercased(), pairs.joined(separator: ":"), pairs.joined(separator: " "),
            pairs.joined(separator: ", "), pairs.joined(separator: "\n") + "\n",
        ] {
            #expect(try BinaryInput.bytes(text: text, byteCount: 32) == bytes)
        }
    }

    @Test func `Base64 is taken, over several lines too`() throws {
        let zeros = [UInt8](repeating: 0, count: 64)
        let text = String(repeating: "A", count: 86) + "=="
        #expect(try BinaryInput.bytes(text: text, byteCount: 64) == zeros)
        #expect(try BinaryInput.bytes(text: "\(text.prefix(40))\n\(text.dropFirst(40))\n", byteCount: 64) == zeros)
    }

    @Test func `Base64 that looks like hexadecimal digits is told by its length`() throws {
        // 48 bytes are 64 characters of base64 without padding, or 96 digits.
        let text = String(repeating: "ABCD", count: 16)
        #expect(try BinaryInput.bytes(text: text, byteCount: 48).prefix(3) == [0x00, 0x10, 0x83])
        #expect(try BinaryInput.bytes(text: text, byteCount: 32).prefix(3) == [0xAB, 0xCD, 0xAB])
    }

    @Test(arguments: [
        ("", "0 bytes"), ("0", "odd"), ("00", "1 bytes"), (String(repeating: "0", count: 126), "63 bytes"),
        (String(repeating: "0", count: 130), "65 bytes"), ("zz", "neither"), ("QQQQQ", "neither"),
    ])
    func `What is not 64 bytes is refused with what it is`(text: String, reason: String) {
        let error = #expect(throws: InputError.self) { try BinaryInput.bytes(text: text, byteCount: 64) }
        #expect(error?.description.contains(reason) ?? false)
        #expect(error?.status == .usage)
    }

    @Test func `A file that is not there is refused with its name`() {
        let error = #expect(throws: InputError.self) { try BinaryInput.bytes("@/nonexistent/x", byteCount: 64) }
        #expect(error?.description.contains("/nonexistent/x") ?? false)
    }
}

@Suite struct `Socket paths` {
    @Test func `An option comes before the environment, the environment before the defaults`() {
        let paths = SocketPaths(environment: ["SWQD_SOCKET": "/e/s.sock", "XDG_RUNTIME_DIR": "/run/user/1"])
        #expect(paths.main(option: "/o/s.sock") == ["/o/s.sock"])
        #expect(paths.main(option: nil) == ["/e/s.sock"])
    }

    @Test func `The user's daemon comes before the system's`() {
        #expect(
            SocketPaths(environment: ["XDG_RUNTIME_DIR": "/run/user/1"]).main(option: nil) == [
                "/run/user/1/swqd/swqd.sock", "/run/swqd/swqd.sock",
            ])
        #expect(SocketPaths(environment: [:]).main(option: nil) == ["/run/swqd/swqd.sock"])
        #expect(SocketPaths(environment: ["XDG_RUNTIME_DIR": "x"]).main(option: nil) == ["/run/swqd/swqd.sock"])
        #expect(SocketPaths(environment: ["SWQD_SOCKET": ""]).main(option: nil) == ["/run/swqd/swqd.sock"])
    }

    @Test func `The admin socket is named, or stands beside the main one`() {
        let bare = SocketPaths(environment: [:])
        #expect(bare.admin(option: "/a", mainOption: "/o/s.sock") == ["/a"])
        #expect(bare.admin(option: nil, mainOption: "/o/s.sock") == ["/o/admin.sock"])
        #expect(bare.admin(option: nil, mainOption: "s.sock") == ["admin.sock"])
        #expect(bare.admin(option: nil, mainOption: nil) == ["/run/swqd/admin.sock"])
        let named = SocketPaths(environment: ["SWQD_ADMIN_SOCKET": "/e/a.sock", "SWQD_SOCKET": "/e/s.sock"])
        #expect(named.admin(option: nil, mainOption: nil) == ["/e/a.sock"])
        // What the command line says of one daemon is not mixed with what the environment says of another.
        #expect(named.admin(option: nil, mainOption: "/o/s.sock") == ["/o/admin.sock"])
        #expect(
            SocketPaths(environment: ["SWQD_SOCKET": "/e/s.sock"]).admin(option: nil, mainOption: nil) == [
                "/e/admin.sock"
            ])
    }
}
