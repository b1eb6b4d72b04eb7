// swift-tools-version: 6.2
import PackageDescription

/// Every Swift target: language mode 6, explicit imports, warnings are errors.
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

let cStrict: [CSetting] = [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]
let cOptimised: [CSetting] = cStrict + [.unsafeFlags(["-O2"], .when(configuration: .debug))]

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

        // Around the core.
        .target(name: "CPlatform", cSettings: cStrict),
        .target(name: "Platform", dependencies: ["CPlatform"], swiftSettings: strict),
        .target(
            name: "History", dependencies: [.product(name: "GRDB", package: "GRDB.swift")], swiftSettings: strict),
        .target(
            name: "ProtocolMessages", dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            exclude: [], resources: [], swiftSettings: [.swiftLanguageMode(.v6)]),
        .target(
            name: "Protocol",
            dependencies: ["ProtocolMessages", .product(name: "SwiftProtobuf", package: "swift-protobuf")],
            swiftSettings: strict),
        .target(
            name: "Daemon",
            dependencies: [
                "PCIe", "DSASpec", "IOMMU", "DSA", "Virtualization", "Machine", "Protocol", "ProtocolMessages", "History",
                "Platform", .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),

        // Thin mains.
        .executableTarget(
            name: "swqd",
            dependencies: ["Daemon", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            swiftSettings: strict),
        .executableTarget(
            name: "swqctl",
            dependencies: [
                "DSASpec", "Protocol", "ProtocolMessages", "Platform",
                .product(name: "SwiftProtobuf", package: "swift-protobuf"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
    ],
    cLanguageStandard: .gnu11
)
