internal import Platform
internal import ProtocolMessages

extension ConfigurationResolver {
    /// The Unix sockets.
    struct Sockets {
        let main: String
        let mode: UInt32
        let group: GroupID?
        let admin: String
        let readOnly: String?
        /// The directory of the main socket when nobody named it.
        let directory: String?
        let wire: WireSocketConfiguration
    }

    private static let standardMode = "0660"
    private static let mainSocketName = "swqd.sock"
    private static let adminSocketName = "admin.sock"

    func resolveSockets() throws(ConfigurationError) -> Sockets {
        let given = file.sockets
        let main: Setting<String>
        let named = setting(.mainSocket, given.hasPath ? given.path : nil, isPath: true)
        if let named {
            main = named
        } else if let directory = directories.runtime {
            main = Setting(directory + "/" + Self.mainSocketName, from: .standard(OverridableSetting.mainSocket.member))
        } else {
            throw missingDefault(.mainSocket, variable: "RUNTIME_DIRECTORY")
        }
        let admin =
            setting(.adminSocket, given.hasAdminPath ? given.adminPath : nil, isPath: true)
            ?? Setting(
                sibling(of: main.value, named: Self.adminSocketName),
                from: .standard(OverridableSetting.adminSocket.member))
        let readOnly = setting(.readOnlySocket, given.hasReadOnlyPath ? given.readOnlyPath : nil, isPath: true)
        try checkPaths([main, admin] + (readOnly.map { [$0] } ?? []))

        let modeText = given.hasMode ? given.mode : Self.standardMode
        let mode = try mode(modeText)
        let group = given.hasGroup ? try group(given.group) : nil

        var wire = WireSocketConfiguration()
        wire.path = main.value
        wire.mode = modeText
        wire.adminPath = admin.value
        if let readOnly { wire.readOnlyPath = readOnly.value }
        if given.hasGroup { wire.group = given.group }
        return Sockets(
            main: main.value, mode: mode, group: group, admin: admin.value, readOnly: readOnly?.value,
            directory: named == nil ? directories.runtime : nil, wire: wire)
    }

    private func sibling(of path: String, named name: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return name }
        return path[...slash] + name
    }

    private func checkPaths(_ paths: [Setting<String>]) throws(ConfigurationError) {
        for (index, path) in paths.enumerated() {
            do {
                _ = try UnixSocketPath(path.value)
            } catch {
                throw path.refused("\(error)")
            }
            if let other = paths[..<index].first(where: { $0.value == path.value }) {
                throw path.refused("is \(path.value), which is taken: \(other.source) has the same value")
            }
        }
    }

    private func mode(_ text: String) throws(ConfigurationError) -> UInt32 {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "7")).contains($0) }),
            let mode = UInt32(text, radix: 8), mode <= 0o777
        else {
            throw ConfigurationError(
                member("sockets.mode"), "is \"\(text)\"; an octal mode from 000 to 0777 is accepted")
        }
        return mode
    }

    private func group(_ text: String) throws(ConfigurationError) -> GroupID {
        let source = member("sockets.group")
        let found: GroupID?
        do {
            found = try GroupID.find(text)
        } catch {
            throw ConfigurationError(source, "\(error)")
        }
        guard let found else {
            throw ConfigurationError(
                source, "is \"\(text)\"; a group of this system by name, or a number up to 4294967294, is accepted")
        }
        return found
    }

    /// TCP on loopback, when some layer asks for it.
    func resolveTCP() throws(ConfigurationError) -> (value: DaemonConfiguration.TCP, wire: WireTcpConfiguration)? {
        let listen = setting(.tcpListen, file.tcp.hasListen ? file.tcp.listen : nil)
        let tokenFile = setting(.tcpTokenFile, file.tcp.hasTokenFile ? file.tcp.tokenFile : nil, isPath: true)
        guard let listen else {
            if let tokenFile { throw tokenFile.refused("needs an address to listen on: \(ways(.tcpListen))") }
            if file.hasTcp {
                throw ConfigurationError(member("tcp"), "lacks listen and tokenFile; give both, or leave tcp out")
            }
            return nil
        }
        let endpoint: LoopbackEndpoint
        do {
            endpoint = try LoopbackEndpoint(parsing: listen.value)
        } catch {
            throw listen.refused("\(error)")
        }
        guard let tokenFile else { throw listen.refused("needs a token file: \(ways(.tcpTokenFile))") }
        let token = try AccessToken.read(tokenFile, user: user)

        var wire = WireTcpConfiguration()
        wire.listen = endpoint.description
        wire.tokenFile = tokenFile.value
        return (DaemonConfiguration.TCP(endpoint: endpoint, token: token), wire)
    }

    /// The ways to give a setting.
    private func ways(_ setting: OverridableSetting) -> String {
        "give \(setting.flag), \(setting.variable) or \(setting.member) of the configuration file"
    }
}
