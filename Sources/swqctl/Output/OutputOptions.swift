internal import ArgumentParser
internal import Protocol

/// How the answer is written.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print JSON, for programs.")
    var json = false

    /// Prints the body of a reply, for people as `text` makes it.
    func show(_ body: JSONValue, _ text: (JSONValue) -> String) throws(OutputError) {
        try StandardOutput.write(json ? body.description + "\n" : text(body))
    }
}
