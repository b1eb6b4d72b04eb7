import DSA
import DSASpec
import Daemon
import Glibc
import Platform
import Protocol
import Testing

/// The operations of a generation 1 device.
private let offered = Hexadecimal.text(OpcodeSet.architectural1.intersection(.emulated).bits)

@Suite struct `Profile of a device` {
    /// Resolves a configuration with one device, given by its members.
    private func profile(_ members: String) throws -> DeviceProfile {
        let directory = try ConfigurationDirectory()
        return try #require(load(file: "{\"devices\": [{\(members)}]}", in: directory).devices.first).profile
    }

    @Test func `A device is of generation 1 unless the configuration says otherwise`() throws {
        let first = try profile("")
        #expect(first.version == 0x100)
        #expect(first.general == .dsa1)
        #expect(first.operations.isSubset(of: .architectural1))
        let second = try profile(#""profile": "dsa2""#)
        #expect(second.version == 0x200)
        #expect(second.general == .dsa2)
        #expect(second.operations.isSubset(of: .architectural2))
    }

    @Test func `No profile claims an operation that is not carried out`() throws {
        for name in ["dsa1", "dsa2"] {
            for set in ["architectural", "production"] {
                let profile = try profile(#""profile": "\#(name)", "capabilities": {"opcap": "\#(set)"}"#)
                #expect(profile.operations.isSubset(of: .emulated))
                #expect(profile.operations.contains(.batch))
            }
        }
    }

    @Test func `The production set has no delta records and everything else of the architectural one`() throws {
        let production = try profile(#""capabilities": {"opcap": "production"}"#).operations
        let architectural = try profile("").operations
        let delta = OpcodeSet(bits: 0b11 << 7)
        #expect(production.bits == architectural.bits & ~delta.bits)
    }

    @Test func `Operations are chosen one by one`() throws {
        #expect(try profile(#""capabilities": {"opcap": "0x209"}"#).operations.bits == 0x209)
    }

    @Test func `Bits of GENCAP are chosen one by one`() throws {
        let profile = try profile(#""capabilities": {"gencap": "0x00905e0004"}"#)
        #expect(profile.general.rawValue == 0x905E_0004)
        #expect(!profile.general.supportsOverlappingMoves)
        #expect(profile.general.maximumTransferShift == 30)
    }

    @Test func `Every open point that the configuration names reaches the device`() throws {
        let directory = try ConfigurationDirectory()
        _ = try directory.write("token", "secret")
        _ = try directory.write("layout", LayoutText.device(groups: [LayoutText.group(0)]))
        let configuration = try load(file: `Configuration file`.complete, in: directory)
        let chosen = try #require(configuration.devices.last).profile.openPoints
        let suggested = OpenPoints()
        let pairs = zip(Mirror(reflecting: chosen).children, Mirror(reflecting: suggested).children)
        for (mine, other) in pairs {
            #expect(String(describing: mine.value) != String(describing: other.value), "\(mine.label ?? "?")")
        }
    }

    @Test(arguments: [
        (
            #""openPoints": {"checkOrder": "random"}"#,
            "devices[0].openPoints.checkOrder: must be one of: listed, reversed"
        ),
        (
            #""openPoints": {"order": "listed"}"#,
            "devices[0].openPoints.order: is unknown; accepted here: checkOrder, missingFlags, cacheFlushAccess, "
                + "steeringTags, errorBytesCompleted, resetOfDisabledWq, abortedTransfer, expectedResult, "
                + "partialCompletion, difTransferSize, deltaFragment, applicationTagCompare, applicationTagReport, "
                + "difStripNearby, allFWithoutChecks, comparePatternOffset, interruptHandleError, wqcfgStride"
        ),
        (
            #""profile": "dsa2", "openPoints": {"steeringTags": "accepted_flags"}"#,
            "devices[0].openPoints.steeringTags: is accepted_flags, and a dsa2 device has no steering tags; "
                + "reserved_flags is accepted"
        ),
        (
            #""openPoints": {"wqcfgStride": 48}"#,
            "devices[0].openPoints.wqcfgStride: is 48; 32 or 64 is accepted"
        ),
        (
            #""profile": "dsa2", "openPoints": {"wqcfgStride": 32}"#,
            "devices[0].openPoints.wqcfgStride: is 32; 64 is accepted"
        ),
        (
            #""capabilities": {"opcap": "some"}"#,
            "devices[0].capabilities.opcap: is \"some\"; architectural, production or bits of \(offered) are accepted"
        ),
        (
            #""capabilities": {"opcap": "0x1000000000"}"#,
            "devices[0].capabilities.opcap: is \"0x1000000000\"; architectural, production or bits of \(offered) are "
                + "accepted"
        ),
        (
            #""capabilities": {"gencap": "0x60915f0107"}"#,
            "devices[0].capabilities.gencap: is 0x60915f0107; what 0x40915f0107 becomes by changing bits of "
                + "0x4001ff010f is accepted"
        ),
        (
            #""capabilities": {"gencap": "0x40901f0107"}"#,
            "devices[0].capabilities.gencap: is 0x40901f0107: a maximum batch of 2^0 lets no WQ be enabled; "
                + "2^1 to 2^15 are accepted"
        ),
    ])
    func `A capability that the device cannot have is refused by name`(members: String, expected: String) throws {
        let directory = try ConfigurationDirectory()
        #expect(
            refusal(file: "{\"devices\": [{\(members)}]}", in: directory)
                == "%/swqd.json: \(expected)")
    }

    private func contents(of path: String) throws -> [UInt8] {
        let number = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw SystemError.last("open", path) }
        let file = OwnedFD(adopting: number)
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe read(file.rawValue, &bytes, bytes.count)
        guard count >= 0 else { throw SystemError.last("read", path) }
        return Array(bytes.prefix(count))
    }

    @Test func `The example of a generation 2 device is valid and names every open point`() throws {
        let example = try ConfigurationSources(
            flags: [.configurationFile: checkoutPath + "/config/dsa2.json"], environment: serviceEnvironment
        ).load()
        let device = try #require(example.devices.first)
        #expect(device.profile.isGeneration2)
        #expect(device.profile.openPoints == DeviceProfile.dsa2.openPoints)
        let text = try contents(of: checkoutPath + "/config/dsa2.json")
        guard case .array(let devices)? = try JSONValue(parsing: text)["devices"],
            case .object(let given)? = devices.first?["openPoints"],
            case .array(let printed)? = try JSONValue(parsing: Array(example.json.utf8))["devices"],
            case .object(let known)? = printed.first?["openPoints"]
        else {
            Issue.record("no open points")
            return
        }
        #expect(given.map(\.name) == known.map(\.name))
    }
}
