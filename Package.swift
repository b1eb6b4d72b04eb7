// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: language mode 6, explicit imports, checked memory safety, warnings are errors.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
]

/// The core is optimised in debug builds as well (assertions stay on): the property tests and the simulator run it
/// millions of times.
let core: [SwiftSetting] = strict + [.unsafeFlags(["-O"], .when(configuration: .debug))]

/// The loop's class has one owner, so that its accesses cannot overlap in ways the compiler does not see; checking each
/// at run time costs a tenth of a submission. Debug builds check.
let loop: [SwiftSetting] = strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let cStrict: [CSetting] = [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]
let cOptimised: [CSetting] = cStrict + [.unsafeFlags(["-O2"], .when(configuration: .debug))]

let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let grdb = Target.Dependency.product(name: "GRDB", package: "GRDB.swift")

let package = Package(
    name: "swqd",
    products: [
        .executable(name: "swqd", targets: ["swqd"]),
        .executable(name: "swqctl", targets: ["swqctl"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    ],
    targets: [
        // The core: no I/O, no clock, no lock, no thread, no Foundation. Arrows point down only.
        .target(name: "PCIe", swiftSettings: core),
        .target(name: "DSASpec", dependencies: ["PCIe"], swiftSettings: core),
        .target(name: "IOMMU", dependencies: ["PCIe"], swiftSettings: core),
        .systemLibrary(name: "CISAL", pkgConfig: "libisal", providers: [.apt(["libisal-dev"])]),
        .target(name: "CKernels", dependencies: ["CISAL"], cSettings: cOptimised),
        .target(name: "DSA", dependencies: ["PCIe", "DSASpec", "IOMMU", "CKernels"], swiftSettings: core),
        .target(name: "Virtualization", dependencies: ["PCIe", "IOMMU"], swiftSettings: core),
        .target(
            name: "Machine", dependencies: ["PCIe", "DSASpec", "IOMMU", "DSA", "Virtualization"], swiftSettings: core),

        .target(
            name: "IDXD", dependencies: ["PCIe", "DSASpec", "DSA", "Machine"], swiftSettings: core),

        // Around the core.
        .target(name: "CPlatform", cSettings: cStrict),
        .target(name: "Platform", dependencies: ["CPlatform"], swiftSettings: strict),
        // What C programs include and link; the daemon takes the layout of rings from it.
        .target(name: "CClient", cSettings: cOptimised),
        .target(
            name: "History", dependencies: [grdb, .product(name: "GRDBSQLite", package: "GRDB.swift")],
            swiftSettings: strict),
        // Generated, so it keeps its generator's style.
        .target(name: "ProtocolMessages", dependencies: [protobuf], swiftSettings: [.swiftLanguageMode(.v6)]),
        .target(name: "CProtocol", cSettings: cOptimised),
        .target(name: "Protocol", dependencies: ["CProtocol", "ProtocolMessages", protobuf], swiftSettings: strict),
        .target(
            name: "Daemon",
            dependencies: [
                "PCIe", "DSASpec", "IOMMU", "DSA", "Virtualization", "Machine", "IDXD", "Protocol",
                "ProtocolMessages", "History", "Platform", "CClient", protobuf, logging,
            ],
            swiftSettings: loop),

        // Thin mains.
        .executableTarget(name: "swqd", dependencies: ["Daemon", argumentParser], swiftSettings: strict),
        .executableTarget(
            name: "swqctl",
            dependencies: ["PCIe", "DSASpec", "Protocol", "ProtocolMessages", "Platform", protobuf, argumentParser],
            swiftSettings: strict),

        // The demonstration: see scripts/demo.
        .executableTarget(
            name: "swqdemo",
            dependencies: ["PCIe", "DSASpec", "Protocol", "ProtocolMessages", "Platform", protobuf, argumentParser],
            swiftSettings: strict),

        // Tenants of one device, release builds only: see scripts/demo-scalability.
        .executableTarget(
            name: "swqscale",
            dependencies: [
                "PCIe", "DSASpec", "IOMMU", "DSA", "Virtualization", "Machine", "Platform", argumentParser,
            ],
            swiftSettings: strict),

        // The benchmark, release builds only: see scripts/bench.
        .target(
            name: "CLoadGenerator", dependencies: ["CISAL", "CClient"], cSettings: cStrict,
            linkerSettings: [.linkedLibrary("sqlite3")]),
        .executableTarget(
            name: "swqbench",
            dependencies: ["CLoadGenerator", "PCIe", "DSASpec", "IOMMU", "DSA", "Platform", argumentParser],
            swiftSettings: strict),

        .target(
            name: "CLossyVFS", path: "Tests/CLossyVFS", cSettings: cStrict,
            linkerSettings: [.linkedLibrary("sqlite3")]),
        .target(
            name: "TestKit",
            dependencies: ["CClient", "DSASpec", "PCIe", "Platform", "Protocol", "ProtocolMessages", protobuf],
            path: "Tests/TestKit", swiftSettings: strict),
        .testTarget(name: "DSASpecTests", dependencies: ["TestKit", "DSASpec", "PCIe"], swiftSettings: strict),
        .testTarget(name: "IOMMUTests", dependencies: ["TestKit", "IOMMU", "PCIe"], swiftSettings: strict),
        .testTarget(
            name: "DSATests", dependencies: ["TestKit", "DSA", "DSASpec", "PCIe", "IOMMU"], swiftSettings: strict),
        .target(name: "DSAOracle", path: "Tests/DSAOracle", swiftSettings: core),
        .testTarget(
            name: "DSAOracleTests", dependencies: ["TestKit", "DSAOracle", "DSA", "DSASpec", "PCIe", "IOMMU"],
            swiftSettings: strict),
        .target(
            name: "Simulation", dependencies: ["Machine", "DSA", "DSASpec", "IOMMU", "Virtualization", "PCIe"],
            path: "Tests/Simulation", swiftSettings: core),
        .testTarget(
            name: "SimulationTests", dependencies: ["TestKit", "Simulation", "Virtualization"],
            swiftSettings: strict),
        .testTarget(
            name: "VirtualizationTests", dependencies: ["TestKit", "Virtualization", "PCIe", "IOMMU"],
            swiftSettings: strict),
        .testTarget(
            name: "MachineTests",
            dependencies: ["TestKit", "Machine", "DSA", "DSASpec", "IOMMU", "Virtualization", "PCIe"],
            swiftSettings: strict),
        .testTarget(
            name: "IDXDTests",
            dependencies: ["TestKit", "IDXD", "Machine", "DSA", "DSASpec", "IOMMU", "Virtualization", "PCIe"],
            swiftSettings: strict),
        .testTarget(name: "PlatformTests", dependencies: ["Platform"], swiftSettings: strict),
        .testTarget(
            name: "HistoryTests", dependencies: ["TestKit", "History", "CLossyVFS", grdb], swiftSettings: strict),
        .testTarget(
            name: "ProtocolTests", dependencies: ["TestKit", "CProtocol", "Protocol", "ProtocolMessages", protobuf],
            swiftSettings: strict),
        .testTarget(
            name: "SwqctlTests",
            dependencies: ["TestKit", "swqctl", "DSASpec", "Protocol", "ProtocolMessages", protobuf, argumentParser],
            swiftSettings: strict),
        .testTarget(
            name: "DaemonTests",
            dependencies: [
                "swqd", "Daemon", "DSA", "DSASpec", "PCIe", "Platform", "Protocol", "ProtocolMessages", "History",
                protobuf, logging,
            ],
            swiftSettings: strict),
        .target(name: "CMissingPages", path: "Tests/CMissingPages", cSettings: cStrict),
        .executableTarget(
            name: "TestMemoryClient",
            dependencies: ["TestKit", "CMissingPages", "DSASpec", "PCIe", "Platform", "Protocol", "ProtocolMessages"],
            path: "Tests/TestMemoryClient", swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "TestKit", "TestMemoryClient", "CMissingPages", "swqd", "swqctl", "DSASpec", "PCIe", "Platform",
                "Protocol",
                "ProtocolMessages", protobuf,
            ],
            swiftSettings: strict),
        .testTarget(
            name: "CrashTests",
            dependencies: [
                "TestKit", "swqd", "DSASpec", "PCIe", "History", "Platform", "Protocol", "ProtocolMessages", protobuf,
            ],
            swiftSettings: strict),
    ],
    cLanguageStandard: .gnu11
)

// While working on one part: SWQD_TESTS="DSATests IOMMUTests" leaves only these test targets and what they need, so
// that `swift build --build-tests` compiles nothing else.
if let names = Context.environment["SWQD_TESTS"], !names.isEmpty {
    var wanted = Set(names.split(separator: " ").map(String.init))
    var found = -1
    while found != wanted.count {
        found = wanted.count
        for target in package.targets where wanted.contains(target.name) {
            for dependency in target.dependencies {
                switch dependency {
                case .byNameItem(let name, _), .targetItem(let name, _): wanted.insert(name)
                default: break
                }
            }
        }
    }
    package.targets.removeAll { !wanted.contains($0.name) }
    package.products.removeAll { !wanted.contains($0.name) }
}
