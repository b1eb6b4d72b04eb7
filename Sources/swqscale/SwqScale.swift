internal import ArgumentParser
internal import Platform

/// How many tenants one device serves under each way of sharing it, and what that costs.
@main
struct SwqScale: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swqscale",
        abstract: "Adds tenants to one device until each way of sharing it refuses, and measures what they get.",
        discussion: """
            Each tenant is a VM with one vCPU, which keeps one No-op in flight. Whoever is refused by the queue tries \
            again at its next turn. After every 32 attempts the device executes up to 16 descriptors. The descriptors \
            per second are those of this program on this machine, all in one thread: compare them with each other.
            """)

    @Option(help: "Most tenants of the shared WQ.")
    var tenants = 10_000

    @Option(help: "Milliseconds for each number of tenants.")
    var milliseconds = 200

    @Option(help: "Where the plot goes.")
    var output = "build/scalability.svg"

    func validate() throws {
        guard (1...1_000_000).contains(tenants), (1...60_000).contains(milliseconds) else {
            throw ValidationError("--tenants is 1 to 1000000, --milliseconds 1 to 60000")
        }
    }

    func run() throws {
        var series: [Series] = []
        for scheme in Scheme.allCases {
            let site = try Site(scheme, tenantsMax: tenants)
            var points: [Point] = []
            var refusal: String?
            for count in Self.counts(upTo: tenants) {
                while site.tenantCount < count, refusal == nil { refusal = try site.addTenant() }
                guard points.last?.tenants != site.tenantCount, site.tenantCount > 0 else { break }
                points.append(site.measure(nanoseconds: UInt64(milliseconds) * 1_000_000))
                if refusal != nil { break }
            }
            series.append(Series(scheme: scheme, points: points, refusal: refusal))
            print(series[series.count - 1].text, terminator: "")
        }
        try Plot(series).write(to: output)
        print("plot: \(output)")
    }

    /// 1, 2, 5, 10, ... and the most.
    private static func counts(upTo limit: Int) -> [Int] {
        var counts: [Int] = []
        var decade = 1
        while decade <= limit {
            counts += [1, 2, 5].map { $0 * decade }.filter { $0 < limit }
            decade *= 10
        }
        return counts + [limit]
    }
}
