internal import DSA
internal import DSASpec
internal import Protocol

/// A file that `accel-config save-config` wrote: an array of devices with their groups, WQs and engines.
struct DeviceLayout {
    private static let fileByteCountMax = 1 << 20

    private let file: String
    private let devices: [(name: String, element: LayoutElement)]

    /// Reads a layout file.
    static func read(_ path: Setting<String>) throws(ConfigurationError) -> DeviceLayout {
        let text: [UInt8]
        do {
            text = try InputFile(path.value).contents(byteCountMax: fileByteCountMax)
        } catch {
            throw path.refused("\(error)")
        }
        return try DeviceLayout(parsing: text, file: path.value)
    }

    /// Parses the text of a layout file. Accelerators of other kinds (`iaxN`) are passed over.
    ///
    /// - Parameter file: Its name, for errors.
    init(parsing text: [UInt8], file: String) throws(ConfigurationError) {
        let root: LayoutElement
        do {
            root = LayoutElement(value: try JSONValue(parsing: Self.withoutTrailingCommas(text)), file: file, path: "")
        } catch {
            throw ConfigurationError(
                .member(file: file, path: ""), "is not valid JSON at byte \(error.offset): \(error.reason)")
        }
        var devices: [(name: String, element: LayoutElement)] = []
        for element in try root.elements() {
            guard case .object = element.value else { throw element.refused("is not an object") }
            guard let name = element.value["dev"]?.text else {
                throw element.refused("lacks \"dev\", the name of the device")
            }
            guard name.hasPrefix("dsa") else { continue }
            let number = name.utf8.dropFirst(3)
            guard !number.isEmpty, number.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                throw element.refused("has the name \"\(name)\"; \"dsa\" and a number is accepted")
            }
            guard !devices.contains(where: { $0.name == name }) else {
                throw element.refused("describes \(name) again; one description of a device is accepted")
            }
            devices.append((name, element))
        }
        guard !devices.isEmpty else {
            throw ConfigurationError(.member(file: file, path: ""), "describes no dsa device; one at least is required")
        }
        self.file = file
        self.devices = devices
    }

    /// The names of its devices, in the order of the file.
    var names: [String] { devices.map(\.name) }

    /// How a device of that name is set up: by the device of that name, or by the only one.
    ///
    /// - Throws: what the file has that the device has not, or what the device refuses.
    func setup(named name: String, profile: DeviceProfile) throws(ConfigurationError) -> DeviceSetup {
        let matching = devices.first { $0.name == name } ?? (devices.count == 1 ? devices[0] : nil)
        guard let (nameInFile, element) = matching else {
            throw ConfigurationError(
                .member(file: file, path: ""),
                "describes \(names.joined(separator: ", ")) and not \(name); that name, or a single device, is accepted"
            )
        }
        var reader = try LayoutReader(element, device: nameInFile, profile: profile)
        let setup = try reader.setup(named: name)
        if let problem = setup.problem() { throw element.refused(problem) }
        return setup
    }

    /// accel-config's reader takes a comma after the last element, and files written by hand have some: they become
    /// spaces, which keeps every offset.
    private static func withoutTrailingCommas(_ text: [UInt8]) -> [UInt8] {
        var text = text
        var lastComma: Int?
        var isInString = false
        var isEscaped = false
        for index in text.indices {
            switch text[index] {
            case _ where isEscaped: isEscaped = false
            case UInt8(ascii: "\\") where isInString: isEscaped = true
            case UInt8(ascii: "\""):
                isInString.toggle()
                lastComma = nil
            case _ where isInString: break
            case UInt8(ascii: ","): lastComma = index
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                if let lastComma { text[lastComma] = UInt8(ascii: " ") }
                lastComma = nil
            case UInt8(ascii: " "), UInt8(ascii: "\n"), UInt8(ascii: "\r"), UInt8(ascii: "\t"): break
            default: lastComma = nil
            }
        }
        return text
    }
}
